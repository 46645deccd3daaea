#!/usr/bin/env python3
"""Writes tests/golden/training/loss_scale.safetensors: the scales of torch.amp.GradScaler.

usage: scripts/make_loss_scale_golden.py [FILE]      needs torch; runs on the CPU

A case has CASE.options: init_scale, growth_factor, backoff_factor, growth_interval; CASE.finite:
whether each step's gradient was; and what the scaler has after each, CASE.scales and CASE.trackers
(its count of steps towards growth). CASE.weights are those of SGD on one weight, whose gradient is
1 / 3 where it is finite: steps that were skipped leave it as it was.
"""

import pathlib
import random
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "golden"))
import safetensors_file  # noqa: E402

LR = 0.5


def mixed(seed, steps, share):
    draw = random.Random(seed)
    return [draw.random() >= share for _ in range(steps)]


# The factors are numbers of f32, in which the file has them.
CASES = {
    "defaults": ((65536.0, 2.0, 0.5, 2000), [False] * 3 + [True] * 2001 + [False, True]),
    "short": ((1024.0, 2.0, 0.5, 3), mixed(1, 200, 0.2)),
    "rounded": ((1000.0, 1.71875, 0.296875, 2), mixed(2, 200, 0.35)),
    "always": ((8.0, 3.0, 0.25, 1), mixed(3, 200, 0.45)),
    "infinite": ((2.0**120, 4.0, 0.5, 1), [True] * 8 + [False] * 2 + [True] * 4),
}


def run(options, finite):
    init, growth, backoff, interval = options
    scaler = torch.amp.GradScaler(
        "cpu",
        init_scale=init,
        growth_factor=growth,
        backoff_factor=backoff,
        growth_interval=interval,
    )
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = torch.optim.SGD([weight], lr=LR)
    scales, trackers, weights = [], [], []
    for good in finite:
        optimizer.zero_grad()
        scaler.scale((weight / 3).sum()).backward()
        if not good:
            weight.grad.fill_(float("inf"))
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
        trackers.append(scaler._get_growth_tracker())
        weights.append(weight.item())
    return scales, trackers, weights


def main():
    tensors = {}
    for name, (options, finite) in CASES.items():
        scales, trackers, weights = run(options, finite)
        rows = {"options": options, "finite": finite, "scales": scales, "trackers": trackers}
        rows["weights"] = weights
        tensors.update({f"{name}.{key}": torch.tensor(row) for key, row in rows.items()})
    default = ROOT / "tests" / "golden" / "training" / "loss_scale.safetensors"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    safetensors_file.write(path, tensors)


if __name__ == "__main__":
    main()
