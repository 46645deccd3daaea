#!/usr/bin/env python3
"""Writes tests/golden/training/ten_steps.safetensors: ten steps of two small models in one PyTorch process.

usage: scripts/make_training_golden.py [FILE]        needs torch and numpy; runs on the CPU

The models are those of tests/distributed/tasks.h, `gpt` and `conv`, with the same data. For each
the file holds its first parameters as MODEL.NAME, and MODEL.losses and MODEL.norms, the mean loss
and the norm of the gradient before clipping of every step. A step has nine leaves (micro-batches),
whose summed losses are divided by their samples or tokens.
"""

import pathlib
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "bench"))
sys.path.insert(0, str(ROOT / "scripts" / "golden"))
import safetensors_file  # noqa: E402
from torch_gpt import Gpt  # noqa: E402

STEPS, LEAVES, CLIP, LR = 10, 9, 0.05, 0.01
CONTEXT = 8


class SmallGpt(Gpt):
    def __init__(self):
        super().__init__(layers=2, heads=2, width=16, context=CONTEXT, std=0.1)

    def loss(self, step, leaf):
        rows = 1 if leaf == 4 else 2
        x = torch.tensor([(step * 71 + leaf * 13 + i * i) % 256 for i in range(rows * CONTEXT)])
        targets = (x * 5 + 1) % 256
        return self(x.view(rows, CONTEXT), targets, reduction="sum"), rows * CONTEXT


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.sometimes = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 3)

    def loss(self, step, leaf):
        rows = 1 if leaf == 2 else 3
        count = rows * 2 * 6 * 6
        # What any language can make: see conv_input in tests/distributed/tasks.h.
        x = torch.tensor(
            [((step * 31 + leaf * 17 + i * i * 7) % 101) / 64 - 0.75 for i in range(count)]
        )
        hidden = self.norm(self.conv(x.view(rows, 2, 6, 6)))
        other = hidden if leaf == 1 else self.sometimes(hidden * 2 + 1)
        logits = self.head(F.relu(other).mean((2, 3)))
        targets = torch.full((rows,), leaf % 3)
        return F.cross_entropy(logits, targets, reduction="sum"), rows


def train(model):
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    plain = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}],
        lr=LR,
        betas=(0.9, 0.95),
        eps=1e-8,
    )
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        total = weight = 0
        for leaf in range(LEAVES):
            loss, count = model.loss(step, leaf)
            loss.backward()
            total += loss.item()
            weight += count
        for parameter in model.parameters():
            parameter.grad /= weight
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        losses.append(total / weight)
        optimizer.step()
    return losses, norms


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/golden/training/ten_steps.safetensors"
    torch.set_num_threads(1)
    torch.manual_seed(3)
    tensors = {}
    for name, model in {"gpt": SmallGpt(), "conv": Conv()}.items():
        for key, parameter in model.named_parameters():
            tensors[f"{name}.{key}"] = parameter.detach().clone()
        losses, norms = train(model)
        tensors[f"{name}.losses"] = torch.tensor(losses)
        tensors[f"{name}.norms"] = torch.tensor(norms)
        print(name, "losses", losses[0], "to", losses[-1], "norms", norms[0], "to", norms[-1])
    safetensors_file.write(path, tensors)


if __name__ == "__main__":
    main()
