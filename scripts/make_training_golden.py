#!/usr/bin/env python3
"""Writes tests/golden/training.safetensors: ten steps of two small models in one PyTorch process.

usage: scripts/make_training_golden.py [FILE]        needs torch and numpy; runs on the CPU

The models are those of tests/distributed/tasks.h, `gpt` and `conv`, with the same data. For each
the file holds its first parameters as MODEL.NAME, and MODEL.losses and MODEL.norms, the mean loss
and the norm of the gradient before clipping of every step. A step has nine leaves (micro-batches),
whose summed losses are divided by their samples or tokens.
"""

import json
import pathlib
import struct
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

STEPS, LEAVES, CLIP, LR = 10, 9, 0.05, 0.01
WIDTH, HEADS, CONTEXT, VOCABULARY = 16, 2, 8, 256


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.c_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        b, t, c = x.shape
        heads = (p.view(b, t, HEADS, -1).transpose(1, 2) for p in self.c_attn(x).split(c, 2))
        y = F.scaled_dot_product_attention(*heads, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1 = nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.ln2 = nn.LayerNorm(WIDTH)
        self.c_fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.c_proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln2(x))))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, WIDTH)
        self.wpe = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.ln_f = nn.LayerNorm(WIDTH)
        for parameter in self.parameters():
            if parameter.dim() >= 2:
                nn.init.normal_(parameter, 0.0, 0.1)

    def loss(self, step, leaf):
        rows = 1 if leaf == 4 else 2
        x = torch.tensor([(step * 71 + leaf * 13 + i * i) % 256 for i in range(rows * CONTEXT)])
        y = ((x * 5 + 1) % 256).view(-1)
        h = self.wte(x.view(rows, CONTEXT)) + self.wpe.weight
        for block in self.blocks:
            h = block(h)
        logits = self.ln_f(h) @ self.wte.weight.T
        return F.cross_entropy(logits.view(-1, VOCABULARY), y, reduction="sum"), rows * CONTEXT


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
    root = pathlib.Path(__file__).resolve().parents[1]
    path = sys.argv[1] if len(sys.argv) > 1 else root / "tests/golden/training.safetensors"
    torch.set_num_threads(1)
    torch.manual_seed(3)
    tensors = {}
    for name, model in {"gpt": Gpt(), "conv": Conv()}.items():
        for key, parameter in model.named_parameters():
            tensors[f"{name}.{key}"] = parameter.detach().clone()
        losses, norms = train(model)
        tensors[f"{name}.losses"] = torch.tensor(losses)
        tensors[f"{name}.norms"] = torch.tensor(norms)
        print(name, "losses", losses[0], "to", losses[-1], "norms", norms[0], "to", norms[-1])
    header, offset = {"__metadata__": {"torch": torch.__version__.split("+")[0]}}, 0
    for name in sorted(tensors):
        size = 4 * tensors[name].numel()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name].float().contiguous().numpy().tobytes())


if __name__ == "__main__":
    main()
