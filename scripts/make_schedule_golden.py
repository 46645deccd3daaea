#!/usr/bin/env python3
"""Writes tests/golden/optim/schedules.npz and plateau.npz: the rates of torch.optim.lr_scheduler's
schedules.

usage: scripts/make_schedule_golden.py [FOLDER]        needs torch and numpy; runs on the CPU

For each row of SCHEDULES the first holds its rates at the steps from 0 to 79, in f64. Optimizers
start at a rate of 0.5, the highest. For each row of PLATEAUS the other holds its rates after each of
`losses`, which it holds too.
"""

import pathlib
import sys
import warnings

import numpy
import torch
from torch.optim import lr_scheduler

ROOT = pathlib.Path(__file__).resolve().parents[1]
STEPS = 80
RATE = 0.5

# What torch.optim.lr_scheduler calls it, and its arguments.
SCHEDULES = {
    "linear": ("LinearLR", dict()),
    "linear_fall": ("LinearLR", dict(start_factor=1.0, end_factor=0.0, total_iters=70)),
    "step": ("StepLR", dict(step_size=7)),
    "step_half": ("StepLR", dict(step_size=30, gamma=0.5)),
    "multi_step": ("MultiStepLR", dict(milestones=[3, 20, 64])),
    "multi_step_half": ("MultiStepLR", dict(milestones=[1, 79], gamma=0.5)),
    "exponential": ("ExponentialLR", dict(gamma=0.97)),
    "polynomial": ("PolynomialLR", dict(total_iters=60)),
    "polynomial_square": ("PolynomialLR", dict(total_iters=75, power=2.0)),
    "cosine": ("CosineAnnealingLR", dict(T_max=79, eta_min=0.05)),
    "cosine_restarts": ("CosineAnnealingWarmRestarts", dict(T_0=9)),
    "cosine_restarts_longer": ("CosineAnnealingWarmRestarts", dict(T_0=5, T_mult=2, eta_min=0.05)),
    "one_cycle": ("OneCycleLR", dict(max_lr=RATE, total_steps=STEPS)),
    "one_cycle_linear": (
        "OneCycleLR",
        dict(
            max_lr=RATE,
            total_steps=STEPS,
            pct_start=0.45,
            anneal_strategy="linear",
            div_factor=10.0,
            final_div_factor=100.0,
        ),
    ),
    "one_cycle_three": ("OneCycleLR", dict(max_lr=RATE, total_steps=STEPS, three_phase=True)),
    "cyclic": ("CyclicLR", dict(base_lr=0.05, max_lr=RATE, step_size_up=8)),
    "cyclic_uneven": (
        "CyclicLR",
        dict(base_lr=0.1, max_lr=RATE, step_size_up=5, step_size_down=11),
    ),
    "cyclic_halved": (
        "CyclicLR",
        dict(base_lr=0.05, max_lr=RATE, step_size_up=10, mode="triangular2"),
    ),
    "cyclic_shrinking": (
        "CyclicLR",
        dict(base_lr=0.05, max_lr=RATE, step_size_up=7, mode="exp_range", gamma=0.98),
    ),
    # Of torch.optim.lr_scheduler's own two.
    "sequence": (
        lambda optimizer: lr_scheduler.SequentialLR(
            optimizer,
            [
                lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10),
                lr_scheduler.ExponentialLR(optimizer, gamma=0.9),
                lr_scheduler.StepLR(optimizer, step_size=15, gamma=0.5),
            ],
            milestones=[10, 30],
        ),
        dict(),
    ),
}


# Arguments of ReduceLROnPlateau.
PLATEAUS = {
    "plain": dict(patience=3),
    "none": dict(patience=0, factor=0.5, threshold=0.0),
    "absolute": dict(patience=2, factor=0.3, threshold=0.05, threshold_mode="abs"),
    "cooldown": dict(patience=1, factor=0.5, cooldown=4, threshold=1e-3),
    "least": dict(patience=1, factor=0.2, min_lr=0.01),
    "eps": dict(patience=1, factor=0.9, eps=0.02),
}


def losses():
    """Falls ever more slowly, with bumps, and with numbers that are not finite."""
    out = [2 / (1 + step) + (step * 37 % 11) / 50 for step in range(STEPS)]
    out[40] = float("nan")
    out[41] = float("inf")
    return out


def plateau_rates(arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
    out = []
    for loss in losses():
        schedule.step(loss)
        out.append(float(optimizer.param_groups[0]["lr"]))
    return numpy.array(out, dtype=numpy.float64)


def rates(make, arguments):
    parameter = torch.nn.Parameter(torch.zeros(1))
    # CyclicLR wants a momentum, unless it is told not to move one.
    optimizer = torch.optim.SGD([parameter], lr=RATE, momentum=0.9)
    if isinstance(make, str):
        if make in ("CyclicLR", "OneCycleLR"):
            arguments = dict(arguments, cycle_momentum=False)
        schedule = getattr(lr_scheduler, make)(optimizer, **arguments)
    else:
        schedule = make(optimizer)
    out = []
    for step in range(STEPS):
        out.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if step + 1 < STEPS:
            schedule.step()
    return numpy.array(out, dtype=numpy.float64)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/golden/optim")
    warnings.simplefilter("ignore")  # of SequentialLR, about its own calls
    numpy.savez(folder / "schedules.npz", **{name: rates(*row) for name, row in SCHEDULES.items()})
    plateaus = {name: plateau_rates(row) for name, row in PLATEAUS.items()}
    numpy.savez(folder / "plateau.npz", losses=numpy.array(losses()), **plateaus)


if __name__ == "__main__":
    main()
