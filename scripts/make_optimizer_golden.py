#!/usr/bin/env python3
"""Writes tests/golden/optim/rules.safetensors, elementwise.safetensors and lbfgs.safetensors: fifty
steps of PyTorch's optimizers, and of papers' formulas where it has none.

usage: scripts/make_optimizer_golden.py [FOLDER]        needs torch and numpy; runs on the CPU

For each row of RULES and of ELEMENTWISE and each of its shapes a file holds RULE.SHAPE.N, the
parameter after N steps; where it is trained at another point than it is used at, also
RULE.SHAPE.N.x, the latter. Parameters and gradients are what any language can make: see number()
here and in tests/nn/update_rules_test.cpp.

For each row of LBFGS it holds ROW.N.W1, ROW.N.W2 and ROW.N.B in f64, and ROW.losses, which steps
gave: they are the parameters of one small network, whose targets follow from the step where that is
asked for.
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


def both(name, plain, decayed):
    """Two rows of an optimizer: without weight decay, and with it and other options."""
    return {name: (name_of(name), plain, (1, 2)), name + "_decay": (name_of(name), decayed, (1, 2))}


def name_of(row):
    names = {"nadam": "NAdam", "radam": "RAdam", "rmsprop": "RMSprop"}
    return names.get(row, row.capitalize())


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, params, **options):
        super().__init__(params, options)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = beta1 * m + (1 - beta1) * p.grad
                p -= group["lr"] * (torch.sign(c) + group["weight_decay"] * p)
                m.copy_(beta2 * m + (1 - beta2) * p.grad)


class ScheduleFree(torch.optim.Optimizer):
    """Defazio et al. 2024, algorithm 1; beta2 None: gradients as they are. p is y."""

    def __init__(self, params, **options):
        super().__init__(params, options)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            warmup = group["warmup_steps"]
            for y in group["params"]:
                s = self.state[y]
                if not s:
                    s.update(t=0, z=y.clone(), x=y.clone(), v=torch.zeros_like(y), weights=0.0)
                s["t"] += 1
                rate = group["lr"] * min(1.0, s["t"] / warmup if warmup else 1.0)
                d = y.grad
                if beta2 is not None:
                    rate *= (1 - beta2 ** s["t"]) ** 0.5
                    s["v"].copy_(beta2 * s["v"] + (1 - beta2) * y.grad**2)
                    d = y.grad / (s["v"].sqrt() + group["eps"])
                s["z"] -= rate * d + rate * group["weight_decay"] * y
                s["weights"] += rate**2
                c = rate**2 / s["weights"]
                s["x"].copy_((1 - c) * s["x"] + c * s["z"])
                y.copy_((1 - beta1) * s["z"] + beta1 * s["x"])


OWN = {"Lion": Lion, "ScheduleFree": ScheduleFree}

BETAS = dict(betas=(0.8, 0.95))

# Rows as in RULES, updated element by element.
ELEMENTWISE = {
    **both("adam", dict(lr=0.01), dict(lr=0.01, weight_decay=0.1, eps=1e-6, **BETAS)),
    "adam_amsgrad": ("Adam", dict(lr=0.02, amsgrad=True, weight_decay=0.1, **BETAS), (1, 2)),
    "adamw_amsgrad": ("AdamW", dict(lr=0.02, amsgrad=True, weight_decay=0.1, **BETAS), (1, 2)),
    **both("nadam", dict(lr=0.01), dict(lr=0.01, weight_decay=0.1, momentum_decay=0.05, **BETAS)),
    "nadam_decoupled": (
        "NAdam",
        dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
        (1, 2),
    ),
    **both("radam", dict(lr=0.01), dict(lr=0.01, weight_decay=0.1, **BETAS)),
    "radam_decoupled": (
        "RAdam",
        dict(lr=0.01, weight_decay=0.1, decoupled_weight_decay=True),
        (1, 2),
    ),
    **both("adamax", dict(lr=0.01), dict(lr=0.01, weight_decay=0.1, eps=1e-6, **BETAS)),
    **both("rmsprop", dict(lr=0.01), dict(lr=0.01, weight_decay=0.1, alpha=0.9, eps=1e-4)),
    "rmsprop_momentum": ("RMSprop", dict(lr=0.005, momentum=0.9), (1, 2)),
    "rmsprop_centered": ("RMSprop", dict(lr=0.005, centered=True, eps=1e-4), (1, 2)),
    "rmsprop_all": (
        "RMSprop",
        dict(lr=0.005, centered=True, momentum=0.8, weight_decay=0.1, alpha=0.9, eps=1e-3),
        (1, 2),
    ),
    **both(
        "adagrad",
        dict(lr=0.05),
        dict(lr=0.05, weight_decay=0.1, lr_decay=0.1, initial_accumulator_value=0.5),
    ),
    **both("adadelta", dict(lr=1.0), dict(lr=0.5, weight_decay=0.1, rho=0.8, eps=1e-4)),
    "lion": ("Lion", dict(lr=0.01, betas=(0.9, 0.99), weight_decay=0.0), (1, 2)),
    "lion_decay": ("Lion", dict(lr=0.005, betas=(0.95, 0.98), weight_decay=0.5), (1, 2)),
    "adamw_schedule_free": (
        "ScheduleFree",
        dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, warmup_steps=0),
        (1, 2),
    ),
    "adamw_schedule_free_decay": (
        "ScheduleFree",
        dict(lr=0.02, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, warmup_steps=20),
        (1, 2),
    ),
    "sgd_schedule_free": (
        "ScheduleFree",
        dict(lr=0.1, betas=(0.9, None), weight_decay=0.0, warmup_steps=0),
        (1, 2),
    ),
    "sgd_schedule_free_decay": (
        "ScheduleFree",
        dict(lr=0.1, betas=(0.7, None), weight_decay=0.1, warmup_steps=7),
        (1, 2),
    ),
}


# Arguments of torch.optim.LBFGS, and of how many batches steps go round.
LBFGS = {
    "fixed": (dict(lr=0.5, max_iter=4), 1),
    "wolfe": (dict(lr=1.0, max_iter=4, line_search_fn="strong_wolfe"), 1),
    "fixed_short": (dict(lr=0.1, max_iter=3, max_eval=3, history_size=3), 3),
    "wolfe_short": (
        dict(lr=0.8, max_iter=3, max_eval=9, history_size=2, line_search_fn="strong_wolfe"),
        3,
    ),
    # Searches that have one trial or two.
    "wolfe_one": (dict(lr=0.5, max_iter=1, line_search_fn="strong_wolfe"), 1),
    "wolfe_two": (dict(lr=0.5, max_iter=2, line_search_fn="strong_wolfe"), 1),
}


def number(step, i):
    return ((step * 37 + i * i * 11 + i * 5) % 101) / 64 - 0.75


def array(step, shape):
    count = torch.Size(shape).numel()
    return torch.tensor([number(step, i) for i in range(count)]).view(shape)


def run(rules):
    tensors = {}
    for name, (rule, arguments, dims) in rules.items():
        for shape in SHAPES:
            if len(shape) not in dims:
                continue
            parameter = torch.nn.Parameter(array(0, shape))
            make = OWN.get(rule) or getattr(torch.optim, rule)
            optimizer = make([parameter], **arguments)
            for step in range(1, STEPS[-1] + 1):
                parameter.grad = array(step, shape)
                optimizer.step()
                if step in STEPS:
                    key = f"{name}.{'x'.join(map(str, shape))}.{step}"
                    tensors[key] = parameter.detach().clone()
                    if "x" in optimizer.state[parameter]:
                        tensors[key + ".x"] = optimizer.state[parameter]["x"].clone()
    return tensors


def run_lbfgs(arguments, batches):
    parameters = [array(i, shape).double().requires_grad_() for i, shape in enumerate(SHAPES)]
    w1, w2, b = parameters
    inputs = array(10, (16, 24)).double()
    optimizer = torch.optim.LBFGS(parameters, **arguments)
    losses = []
    tensors = {}
    for step in range(1, STEPS[-1] + 1):
        targets = array(20 + step % batches, (16, 24)).double()

        def closure():
            optimizer.zero_grad()
            out = torch.tanh(inputs @ w2) @ w1
            loss = torch.mean((out - targets) ** 2) + 0.1 * torch.mean((out[:, :7] - b) ** 2)
            loss.backward()
            return loss

        losses.append(float(optimizer.step(closure)))
        if step in STEPS:
            for key, value in zip(("W1", "W2", "B"), parameters):
                tensors[f"{step}.{key}"] = value.detach().clone()
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    return tensors


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/golden/optim")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    safetensors_file.write(folder / "rules.safetensors", run(RULES))
    safetensors_file.write(folder / "elementwise.safetensors", run(ELEMENTWISE))
    tensors = {}
    for row, arguments in LBFGS.items():
        for key, value in run_lbfgs(*arguments).items():
            tensors[f"{row}.{key}"] = value
    safetensors_file.write(folder / "lbfgs.safetensors", tensors)


if __name__ == "__main__":
    main()
