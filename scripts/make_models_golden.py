#!/usr/bin/env python3
"""Writes tests/golden/models/*.safetensors: models as PyTorch, torchvision and transformers have them.

usage: scripts/make_models_golden.py [NAME...]    needs torch, torchvision and transformers; on the CPU

Weights and samples are those of scripts/golden/made_values.py, so a file holds only what comes of
them: `before` and `after`, the logits in evaluation mode before and after twenty steps of AdamW on one
batch, and `losses`, the mean loss of each step. Its metadata say the rest: `model`, the section of a
config; `images` or `tokens`, the shape of the batch, `kinds`, how many its targets have; `state`, the
names and shapes of parameters and buffers; `mode`, in which it trains; `lr` and
`eps`. Where batch norm sees few numbers, rounding grows from step to step, in PyTorch's f32 against its
f64 as well: hence a larger eps for some, and the mode of evaluation for the deepest.
"""

import json
import pathlib
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "golden"))
import made_values  # noqa: E402
import reference_models as reference  # noqa: E402
import safetensors_file  # noqa: E402

STEPS = 20
IMAGES, TOKENS, TARGETS = 1000, 1001, 1002  # streams


class Case:
    """A model (section of a config, what makes it in torch) and its batch."""

    def __init__(self, section, make, images=None, tokens=None, kinds=10, lr=0.001, eps=1e-8,
                 mode="train"):
        self.section, self.make, self.lr, self.eps, self.mode = section, make, lr, eps, mode
        self.images, self.tokens, self.kinds = images, tokens, kinds

    def batch(self):
        if self.images:
            x = made_values.array(self.images, IMAGES, 2.0)
            return x, made_values.integers(self.images[:1], TARGETS, self.kinds)
        x = made_values.integers(self.tokens, TOKENS, self.kinds)
        return x, made_values.integers(self.tokens, TARGETS, self.kinds)


def cases():
    r = reference
    lm = dict(tokens=(2, 12), kinds=32)
    llama = "{name: llama, layers: 2, width: 16, hidden: 24, context: 12, vocabulary: 32, "
    image = dict(images=(4, 3, 16, 16), kinds=5, lr=0.0001)
    out = {
        "resnet18": Case(
            "{name: resnet, depth: 18, stem: imagenet, channels: 3, size: 64, width: 4, classes: 5}",
            lambda: r.resnet(18, "imagenet", 4, 5), images=(4, 3, 64, 64), kinds=5, lr=0.01, eps=0.01),
        "resnet34": Case(
            "{name: resnet, depth: 34, stem: cifar, channels: 3, size: 16, width: 4, classes: 5}",
            lambda: r.resnet(34, "cifar", 4, 5), eps=0.01, **image),
        "resnet50": Case(
            "{name: resnet, depth: 50, stem: cifar, channels: 3, size: 16, width: 4, classes: 5}",
            lambda: r.resnet(50, "cifar", 4, 5), mode="eval", **image),
        "lenet": Case("{name: lenet, channels: 1, size: 28, classes: 10}",
                      r.LeNet, images=(4, 1, 28, 28)),
        "vit_token": Case(
            "{name: vit, channels: 3, size: 8, patch: 4, width: 16, depth: 2, heads: 2, "
            "mlp_ratio: 2, classes: 5}",
            lambda: r.vit("token"), images=(4, 3, 8, 8), kinds=5),
        "vit_mean": Case(
            "{name: vit, channels: 3, size: 8, patch: 4, width: 16, depth: 2, heads: 2, "
            "mlp_ratio: 2, classes: 5, pool: mean}",
            lambda: r.vit("mean"), images=(4, 3, 8, 8), kinds=5),
        "llama2": Case(llama + "heads: 2, rope_scaling: linear, rope_factor: 4}",
                       lambda: r.llama(rope={"rope_type": "linear", "factor": 4.0}, heads=2), **lm),
        "llama3": Case(
            llama + "heads: 4, kv_heads: 2, norm_eps: 1.0e-6, rope_theta: 500000, "
            "rope_scaling: llama3, rope_factor: 8, rope_original_context: 64}",
            lambda: r.llama(
                rope={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                      "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
                heads=4, kv_heads=2, theta=500000.0, eps=1e-6), **lm),
        "llama_ntk": Case(
            llama + "heads: 2, rope_scaling: ntk, rope_factor: 2}",
            lambda: r.llama(heads=2, theta=10000.0 * 2 ** (8 / 6)), **lm),
        "qwen2": Case(llama + "heads: 4, kv_heads: 2, qkv_bias: true, tied: true}",
                      lambda: r.qwen2(), **lm),
        "qwen3": Case(
            llama + "heads: 2, kv_heads: 1, head_dim: 16, qk_norm: true, rope_scaling: yarn, "
            "rope_factor: 4, rope_original_context: 64}",
            lambda: r.qwen3(), **lm),
        "mistral": Case(llama + "heads: 4, kv_heads: 2, window: 5}", lambda: r.mistral(5), **lm),
        "moe": Case(
            llama.replace("llama", "moe") + "heads: 4, kv_heads: 2, experts: 4, top_k: 2, balance: 0.5}",
            lambda: r.moe(4, 2, 0.5), **lm),
        "vae": Case("{name: vae, inputs: 36, hidden: 12, latent: 3, beta: 2}",
                    r.Vae, images=(4, 1, 6, 6), mode="eval", lr=0.01),
        "unet": Case("{name: unet, channels: 1, size: 8, width: 4, levels: 2, noise: 0}",
                     r.Unet, images=(4, 1, 8, 8)),
        "lstm": Case(
            "{name: lstm, layers: 2, width: 8, hidden: 12, context: 12, vocabulary: 32, dropout: 0}",
            lambda: r.LstmLanguageModel(), lr=0.01, **lm),
    }
    return out


def logits_of(model, x):
    out = model(x)
    return out if isinstance(out, torch.Tensor) else out.logits


def loss_of(model, x, targets):
    if hasattr(model, "golden_loss"):
        return model.golden_loss(x, targets)
    logits = logits_of(model, x)
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def train(case):
    model = case.make()
    made_values.fill(model)
    x, targets = case.batch()
    model.eval()
    with torch.no_grad():
        tensors = {"before": logits_of(model, x)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=case.lr, betas=(0.9, 0.95), eps=case.eps,
                                  weight_decay=0.1)
    losses = []
    for _ in range(STEPS):
        model.train(case.mode == "train")
        optimizer.zero_grad()
        loss = loss_of(model, x, targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        tensors["after"] = logits_of(model, x)
    tensors["losses"] = torch.tensor(losses)
    return model, tensors


def state_of(model):
    names = [name for name, _ in model.named_parameters()]
    names += [name for name, _ in model.named_buffers() if name in model.state_dict()]
    state = model.state_dict()
    return "\n".join(sorted(f"{name} {list(state[name].shape)}" for name in names))


def main():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    folder = ROOT / "tests/golden/models"
    folder.mkdir(exist_ok=True)
    for name, case in cases().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        model, tensors = train(case)
        about = {
            "model": case.section,
            "images" if case.images else "tokens": json.dumps(case.images or case.tokens),
            "kinds": str(case.kinds),
            "state": state_of(model),
            "mode": case.mode,
            "lr": str(case.lr),
            "eps": str(case.eps),
        }
        safetensors_file.write(folder / f"{name}.safetensors", tensors, about)
        losses = tensors["losses"]
        print(name, "losses", losses[0].item(), "to", losses[-1].item())


if __name__ == "__main__":
    main()
