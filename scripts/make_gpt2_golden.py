#!/usr/bin/env python3
"""Writes tests/golden/gpt2/: two tiny GPT-2 models as transformers saves them, and their logits.

usage: scripts/make_gpt2_golden.py [FOLDER]        needs torch, transformers, safetensors

gelu_new/ has one model.safetensors, gelu_sharded/ several and their index, and the exact GELU. In
each, expected.safetensors holds `tokens`, i64 (2, 9), and `logits`, f32 (2, 9, 48), of the model in
eval mode. No parameter is what it starts as: a bias or a LayerNorm that is mixed up is seen.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

ROOT = pathlib.Path(__file__).resolve().parents[1]
# (folder, activation, largest shard): the second has 30 KB, in three files.
MODELS = [("gelu_new", "gelu_new", "1GB"), ("gelu_sharded", "gelu", "12KB")]


def make_model(activation, seed):
    torch.manual_seed(seed)
    config = GPT2Config(
        n_layer=2,
        n_head=2,
        n_embd=16,
        n_positions=16,
        vocab_size=48,
        activation_function=activation,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # So large that one GELU is well apart from the other.
            spread = 0.3 if parameter.dim() == 1 else 0.5
            parameter += spread * torch.randn(parameter.shape)
    return model


def write(folder, activation, largest_shard, seed):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    model = make_model(activation, seed)
    model.save_pretrained(folder, max_shard_size=largest_shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokens = torch.randint(48, (2, 9))
    with torch.no_grad():
        logits = model(tokens).logits
    save_file(
        {"tokens": tokens, "logits": logits.contiguous()},
        folder / "expected.safetensors",
        {"torch": torch.__version__.split("+")[0]},
    )
    print(folder.name, "logits up to", logits.abs().max().item())
    print(*(f"  {file.name} {file.stat().st_size}" for file in sorted(folder.iterdir())), sep="\n")


def main():
    base = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/golden/gpt2"
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    for seed, (name, activation, largest_shard) in enumerate(MODELS, start=7):
        write(base / name, activation, largest_shard, seed)


if __name__ == "__main__":
    main()
