#!/usr/bin/env python3
"""Writes tests/golden/optim/rules.safetensors: fifty steps of PyTorch's optimizers.

usage: scripts/make_optimizer_golden.py [FILE]        needs torch and numpy; runs on the CPU

For each row of RULES and each of its shapes the file holds RULE.SHAPE.N, the parameter after N
steps. Parameters and gradients are what any language can make: see number() here and in
tests/nn/update_rules_test.cpp.
"""

import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "golden"))
import safetensors_file  # noqa: E402

STEPS = [1, 10, 50]
SHAPES = [(8, 24), (24, 8), (7,)]

# What torch.optim calls it, its arguments, and the numbers of dims that it takes.
RULES = {
    "adamw": ("AdamW", dict(lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1), (1, 2)),
    "muon": ("Muon", dict(lr=0.001, weight_decay=0.1), (2,)),
    "muon_plain": ("Muon", dict(lr=0.001, weight_decay=0.0, nesterov=False), (2,)),
    "muon_rms": ("Muon", dict(lr=0.001, adjust_lr_fn="match_rms_adamw"), (2,)),
    "adafactor": ("Adafactor", dict(lr=0.01), (1, 2)),
    "adafactor_decay": (
        "Adafactor",
        dict(lr=0.05, beta2_decay=-0.6, d=2.0, weight_decay=0.1),
        (1, 2),
    ),
    "sgd": ("SGD", dict(lr=0.01, weight_decay=0.1), (1, 2)),
    "sgd_momentum": ("SGD", dict(lr=0.01, momentum=0.9, weight_decay=0.1), (1, 2)),
    "sgd_nesterov": ("SGD", dict(lr=0.01, momentum=0.9, nesterov=True), (1, 2)),
}


def number(step, i):
    return ((step * 37 + i * i * 11 + i * 5) % 101) / 64 - 0.75


def array(step, shape):
    count = torch.Size(shape).numel()
    return torch.tensor([number(step, i) for i in range(count)]).view(shape)


def main():
    path = pathlib.Path(
        sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/golden/optim/rules.safetensors"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    tensors = {}
    for name, (rule, arguments, dims) in RULES.items():
        for shape in SHAPES:
            if len(shape) not in dims:
                continue
            parameter = torch.nn.Parameter(array(0, shape))
            optimizer = getattr(torch.optim, rule)([parameter], **arguments)
            for step in range(1, STEPS[-1] + 1):
                parameter.grad = array(step, shape)
                optimizer.step()
                if step in STEPS:
                    key = f"{name}.{'x'.join(map(str, shape))}.{step}"
                    tensors[key] = parameter.detach().clone()
    safetensors_file.write(path, tensors)


if __name__ == "__main__":
    main()
