#!/usr/bin/env python3
"""Writes tests/golden/nn/distributions*.safetensors: what torch.distributions gives, values and gradients.

usage: scripts/make_distributions_golden.py [FOLDER]   needs torch, numpy and mpmath; runs on the CPU

Files and cases are those of make_golden.py. A case of distributions.safetensors has the parameters and a value;
its results are log_prob, entropy (where there is one), mean, variance and stddev. One of
distributions_kl.safetensors has the parameters of both distributions, and the divergence. Those of
distributions_slopes.safetensors are how gamma and beta numbers move with their parameters at a fixed quantile:
`exact` from differences in 40 digits, `torch` from PyTorch's approximations.
"""

import os
import sys

import mpmath
import torch
from torch import distributions as D

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden"))

from cases import Family, In  # noqa: E402

INF = float("inf")


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


# How each is made of tensors, and how many of them it takes.
MAKERS = {
    "Normal": (2, D.Normal),
    "LogNormal": (2, D.LogNormal),
    "Laplace": (2, D.Laplace),
    "StudentT": (3, D.StudentT),
    "Uniform": (2, D.Uniform),
    "Exponential": (1, D.Exponential),
    "Gamma": (2, D.Gamma),
    "Beta": (2, D.Beta),
    "Dirichlet": (1, D.Dirichlet),
    "Bernoulli": (1, lambda p: D.Bernoulli(p)),
    "Bernoulli.logits": (1, lambda x: D.Bernoulli(logits=x)),
    "Categorical": (1, lambda p: D.Categorical(p)),
    "Categorical.logits": (1, lambda x: D.Categorical(logits=x)),
    "Binomial": (2, lambda n, p: D.Binomial(n, p)),
    "Binomial.logits": (2, lambda n, x: D.Binomial(n, logits=x)),
    "Geometric": (1, lambda p: D.Geometric(p)),
    "Geometric.logits": (1, lambda x: D.Geometric(logits=x)),
    "Poisson": (1, D.Poisson),
    "MultivariateNormal": (2, lambda m, s: D.MultivariateNormal(m, s)),
    "MultivariateNormal.precision": (2, lambda m, p: D.MultivariateNormal(m, precision_matrix=p)),
    "MultivariateNormal.scale_tril": (2, lambda m, t: D.MultivariateNormal(m, scale_tril=t)),
    "Independent.Normal": (2, lambda m, s: D.Independent(D.Normal(m, s), 1)),
    "Independent.Bernoulli": (1, lambda x: D.Independent(D.Bernoulli(logits=x), 2)),
}


def case(f, op, suffix, args):
    count, make = MAKERS[op]

    def run(*tensors):
        d = make(*tensors[:count])
        out = [d.log_prob(tensors[count])]
        try:
            out.append(d.entropy())
        except NotImplementedError:
            pass
        return out + [d.mean, d.variance, d.stddev]

    f.case(f"{op}.{suffix}", op, run, args)


def constant(x):
    return In(x, "c", False)


def positive(g, shape, dtype="f64", low=0.2, high=4.0):
    return In(g.uniform(shape, dtype, low, high))


def definite(g, batch, d, dtype="f64"):
    x = g.uniform((*batch, d, d), dtype)
    return x @ x.mT + torch.eye(d, dtype=x.dtype)


def usual(f):
    """Parameters and values of everyday, which broadcast."""
    for dtype in ("f64", "f32"):
        loc = lambda g, shape=(3, 1): In(g.uniform(shape, dtype), "t")
        scale = lambda g, shape=(4,): positive(g, shape, dtype)
        x = lambda g, low=-3.0, high=3.0: In(g.uniform((2, 3, 4), dtype, low, high), "t")
        counts = lambda g, high=6: constant(g.integers((2, 3, 4), dtype, 0, high))
        probs = lambda g, shape: In(g.uniform(shape, dtype, 0.05, 0.95))
        bits = lambda g: constant(g.integers((2, 3, 4), dtype, 0, 2))
        case(f, "Normal", dtype, lambda g: [loc(g), scale(g), x(g)])
        case(f, "LogNormal", dtype, lambda g: [loc(g), positive(g, (4,), dtype, 0.2, 1.5), x(g, 0.1, 5)])
        case(f, "Laplace", dtype, lambda g: [loc(g), scale(g), x(g)])
        case(f, "StudentT", dtype, lambda g: [positive(g, (4,), dtype, 2.2, 9), loc(g), scale(g), x(g)])
        case(f, "Uniform", dtype, lambda g: [In(g.uniform((3, 1), dtype, -2, -1)), positive(g, (4,), dtype, 1, 2),
                                             x(g, -1, 1)])
        case(f, "Exponential", dtype, lambda g: [scale(g), x(g, 0.1, 5)])
        case(f, "Gamma", dtype, lambda g: [scale(g, (3, 1)), scale(g), x(g, 0.1, 5)])
        case(f, "Beta", dtype, lambda g: [scale(g, (3, 1)), scale(g), x(g, 0.05, 0.95)])
        case(f, "Bernoulli", dtype, lambda g: [probs(g, (3, 1)), bits(g)])
        case(f, "Bernoulli.logits", dtype, lambda g: [loc(g), bits(g)])
        case(f, "Binomial", dtype, lambda g: [constant(torch.full((1,), 6, dtype=g.uniform((), dtype).dtype)),
                                              probs(g, (3, 1)), counts(g)])
        case(f, "Binomial.logits", dtype, lambda g: [constant(torch.full((3, 1), 9, dtype=g.uniform((), dtype).dtype)),
                                                     loc(g, (4,)), counts(g)])
        case(f, "Geometric", dtype, lambda g: [probs(g, (3, 1)), counts(g)])
        case(f, "Geometric.logits", dtype, lambda g: [loc(g), counts(g)])
        case(f, "Poisson", dtype, lambda g: [scale(g, (3, 1)), counts(g)])
        case(f, "Categorical", dtype, lambda g: [probs(g, (4, 5)), constant(g.integers((2, 3, 4), "i64", 0, 5))])
        case(f, "Categorical.logits", dtype, lambda g: [In(g.uniform((3, 1, 5), dtype), "t"),
                                                        constant(g.integers((2, 1, 4), "i64", 0, 5))])

        def shares(g, shape):
            s = g.uniform(shape, "f64", 0.1, 1)
            s = s / s.sum(-1, keepdim=True)
            return In(s.to(g.uniform((), dtype).dtype))
        case(f, "Dirichlet", dtype, lambda g: [scale(g, (3, 4)), shares(g, (2, 3, 4))])
        case(f, "MultivariateNormal", dtype, lambda g: [loc(g, (3, 4)), In(definite(g, (), 4, dtype)),
                                                        In(g.uniform((2, 5, 3, 4), dtype))])
        case(f, "MultivariateNormal.precision", dtype, lambda g: [loc(g, (4,)), In(definite(g, (3,), 4, dtype)),
                                                                  In(g.uniform((2, 1, 4), dtype))])
        case(f, "MultivariateNormal.scale_tril", dtype,
             lambda g: [loc(g, (3,)), In(torch.linalg.cholesky(definite(g, (2,), 3, dtype))),
                        In(g.uniform((3,), dtype))])
        case(f, "Independent.Normal", dtype, lambda g: [loc(g), scale(g), x(g)])
        case(f, "Independent.Bernoulli", dtype, lambda g: [loc(g, (3, 4)), bits(g)])


def extreme(f):
    """Parameters and values at the ends of what f64 has, as far as PyTorch is finite there."""
    far = f64(0.0, 1e-100, -1e-100, 1e10, -1e10, 1e100, -1e100, 3.0)
    case(f, "Normal", "extreme", lambda g: [In(f64(0.0, 1e100, -3.0)[:, None]), In(f64(1e-20, 1.0, 1e120)[:, None]),
                                            In(far)])
    case(f, "Laplace", "extreme", lambda g: [In(f64(0.0)), In(f64(1e-20, 1.0, 1e200)[:, None]), In(far + 1e-150)])
    case(f, "LogNormal", "extreme", lambda g: [In(f64(0.5)), In(f64(1e-8, 1.0, 20.0)[:, None]),
                                               In(f64(1e-300, 1e-9, 1.0, 1e9, 1e300))])
    case(f, "StudentT", "extreme", lambda g: [In(f64(0.1, 1.0, 1.5, 2.0, 2.5, 1e6)[:, None]), In(f64(0.0)),
                                              In(f64(1.0)), In(f64(0.3, -1e10, 1e50, 7.0))])
    case(f, "Uniform", "extreme", lambda g: [In(f64(0.0, -1e100)), In(f64(1e-200, 1e100)), In(f64(0.0, 0.0))])
    case(f, "Uniform", "end", lambda g: [In(f64(0.0)), In(f64(2.0)), In(f64(0.0, 2.0))])
    case(f, "Exponential", "extreme", lambda g: [In(f64(1e-100, 1.0, 1e100)[:, None]), In(f64(0.0, 1e-100, 1.0, 1e100))])
    case(f, "Gamma", "extreme", lambda g: [In(f64(1e-8, 0.5, 1.0, 3.0, 1e4)[:, None]), In(f64(1e-5, 1.0, 1e5)[:, None, None]),
                                           In(f64(1e-300, 1e-5, 1.0, 1e4, 1e8))])
    case(f, "Gamma", "zero", lambda g: [In(f64(0.5, 1.0, 2.0)), In(f64(1.0)), constant(f64(0.0))])
    case(f, "Beta", "extreme", lambda g: [In(f64(1e-6, 0.5, 1.0, 50.0)[:, None]), In(f64(1e-6, 1.0, 80.0)[:, None, None]),
                                          In(f64(1e-300, 1e-5, 0.5, 1 - 1e-9))])
    case(f, "Beta", "ends", lambda g: [In(f64(0.5, 1.0, 2.0)), In(f64(1.0, 2.0, 0.5)), constant(f64(0.0, 1.0)[:, None])])
    case(f, "Dirichlet", "extreme", lambda g: [In(f64(1e-6, 1.0, 100.0)), In(f64(1e-300, 1e-9, 1 - 1e-9))])
    certain = f64(0.0, 1e-300, 1e-10, 0.5, 1 - 1e-12, 1.0)
    bits = constant(f64(0.0, 1.0)[:, None])
    case(f, "Bernoulli", "extreme", lambda g: [In(certain), bits])
    case(f, "Bernoulli.logits", "extreme", lambda g: [In(f64(-1e4, -700.0, -30.0, 0.0, 30.0, 700.0, 1e4)), bits])
    case(f, "Binomial", "extreme", lambda g: [constant(f64(7.0)), In(f64(1e-10, 0.5, 1 - 1e-12)),
                                              constant(f64(0.0, 7.0, 3.0)[:, None])])
    case(f, "Binomial.logits", "extreme", lambda g: [constant(f64(0.0)), In(f64(-30.0, 0.0, 30.0)), constant(f64(0.0))])
    # Of smaller ones PyTorch's entropy has few digits.
    case(f, "Geometric", "extreme", lambda g: [In(f64(1e-4, 0.5, 1 - 1e-12)), constant(f64(0.0, 1.0, 1e6)[:, None])])
    case(f, "Geometric.logits", "extreme", lambda g: [In(f64(-8.0, 0.0, 20.0)), constant(f64(0.0, 1.0, 1e6)[:, None])])
    case(f, "Poisson", "extreme", lambda g: [In(f64(1e-100, 1e-3, 1.0, 1e8)), constant(f64(0.0, 1.0, 170.0, 1e9)[:, None])])
    case(f, "Poisson", "zero", lambda g: [constant(f64(0.0)), constant(f64(0.0, 2.0))])
    index = constant(torch.tensor([[0], [1], [2], [3]]))
    case(f, "Categorical", "extreme", lambda g: [constant(f64(0.0, 1e-300, 1e-5, 3.0)), index])
    case(f, "Categorical.logits", "extreme", lambda g: [In(f64(-1e4, 0.0, 700.0, 699.0)), index])
    case(f, "MultivariateNormal", "extreme", lambda g: [In(f64(1e50, -1e-50)), In(torch.diag(f64(1e-30, 1e40))),
                                                        In(torch.stack([f64(1e50, 0.0), f64(1e40, 1e20)]))])


PAIRS = [
    ("Normal", "Normal"), ("LogNormal", "LogNormal"), ("Laplace", "Laplace"), ("Uniform", "Uniform"),
    ("Exponential", "Exponential"), ("Gamma", "Gamma"), ("Beta", "Beta"), ("Dirichlet", "Dirichlet"),
    ("MultivariateNormal", "MultivariateNormal"), ("Bernoulli", "Bernoulli"), ("Bernoulli.logits", "Bernoulli.logits"),
    ("Categorical", "Categorical"), ("Categorical.logits", "Categorical.logits"), ("Binomial", "Binomial"),
    ("Geometric", "Geometric"), ("Poisson", "Poisson"), ("Normal", "Laplace"), ("Laplace", "Normal"),
    ("Uniform", "Normal"), ("Uniform", "Exponential"), ("Uniform", "Gamma"), ("Uniform", "Beta"),
    ("Exponential", "Normal"), ("Exponential", "Gamma"), ("Gamma", "Normal"), ("Gamma", "Exponential"),
    ("Beta", "Normal"), ("Beta", "Exponential"), ("Beta", "Gamma"), ("Beta", "Uniform"), ("Bernoulli", "Poisson"),
    ("Independent.Normal", "Independent.Normal"),
    ("Normal", "Exponential"), ("Normal", "Gamma"), ("Normal", "Beta"), ("Normal", "Uniform"),
    ("Laplace", "Exponential"), ("Laplace", "Gamma"), ("Laplace", "Beta"), ("Laplace", "Uniform"),
    ("Exponential", "Beta"), ("Exponential", "Uniform"), ("Gamma", "Beta"), ("Gamma", "Uniform"),
    ("Poisson", "Bernoulli"), ("Poisson", "Binomial"),
]


def divergence(f, p, q, suffix, args):
    (count, make_p), (_, make_q) = MAKERS[p], MAKERS[q]

    def run(*tensors):
        p, q = make_p(*tensors[:count]), make_q(*tensors[count:])
        # Not all of PyTorch's broadcast.
        shape = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
        return D.kl_divergence(p.expand(shape), q.expand(shape))

    f.case(f"{p}.{q}.{suffix}", f"{p}.{q}", run, args)


def usual_parameters(g, name, shape):
    dtype = "f64"
    if name in ("Normal", "LogNormal", "Laplace", "Independent.Normal"):
        return [In(g.uniform(shape, dtype)), positive(g, shape)]
    if name == "Uniform":
        return [In(g.uniform(shape, dtype, 0.1, 0.3)), In(g.uniform(shape, dtype, 0.5, 0.9))]
    if name in ("Gamma", "Beta"):
        return [positive(g, shape), positive(g, shape)]
    if name == "Dirichlet":
        return [positive(g, (*shape, 3))]
    if name == "MultivariateNormal":
        return [In(g.uniform((*shape, 3), dtype)), In(definite(g, shape, 3))]
    if name.startswith("Bernoulli") or name == "Geometric":
        return [In(g.uniform(shape, dtype, 0.05, 0.95))]
    if name.startswith("Categorical"):
        return [In(g.uniform((*shape, 4), dtype, 0.05, 0.95))]
    if name == "Binomial":
        return [constant(f64(5.0)), In(g.uniform(shape, dtype, 0.05, 0.95))]
    return [positive(g, shape)]


def divergences(f):
    for p, q in PAIRS:
        same = p == q == "Independent.Normal"
        divergence(f, p, q, "usual", lambda g: usual_parameters(g, p, (2, 3) if same else (2, 1)) +
                   usual_parameters(g, q, (3,)))
    e = f64(0.0, 1e-10, 0.5, 1 - 1e-10, 1.0)
    divergence(f, "Normal", "Normal", "extreme", lambda g: [In(f64(0.0, 1e10)), In(f64(1e-8, 1e8)), In(f64(1e-9, -1e10)),
                                                           In(f64(1e-8, 1e-3))])
    divergence(f, "Bernoulli", "Bernoulli", "extreme", lambda g: [constant(e[:, None]), constant(e)])
    divergence(f, "Categorical", "Categorical", "extreme",
               lambda g: [constant(torch.stack([f64(0.0, 1.0, 3.0), f64(0.0, 0.0, 1.0)])[:, None]),
                          constant(torch.stack([f64(0.0, 1.0, 3.0), f64(1.0, 0.0, 1e-10), f64(0.0, 0.5, 0.5)]))])
    divergence(f, "Uniform", "Uniform", "outside", lambda g: [constant(f64(0.0, 0.0, 0.0)), constant(f64(1.0, 1.0, 1.0)),
                                                             constant(f64(0.0, 0.1, -1.0)), constant(f64(1.0, 2.0, 0.5))])
    divergence(f, "Uniform", "Gamma", "outside", lambda g: [constant(f64(-1.0, 0.0)), constant(f64(1.0)),
                                                           constant(f64(2.0)), constant(f64(1.0))])
    divergence(f, "Uniform", "Beta", "outside", lambda g: [constant(f64(-1.0, 0.0, 0.0)), constant(f64(1.0, 1.0, 2.0)),
                                                          constant(f64(2.0)), constant(f64(0.5))])
    divergence(f, "Beta", "Uniform", "outside", lambda g: [constant(f64(2.0)), constant(f64(0.5)),
                                                          constant(f64(0.0, 0.1, -1.0)), constant(f64(1.0, 2.0, 2.0))])
    divergence(f, "Binomial", "Binomial", "fewer", lambda g: [constant(f64(5.0, 4.0)), constant(f64(0.5)),
                                                             constant(f64(4.0)), constant(f64(0.2))])
    divergence(f, "Gamma", "Gamma", "extreme", lambda g: [In(f64(1e-5, 1.0, 1e5)), In(f64(1.0, 1e-8, 1e5)),
                                                         In(f64(1e-3, 1.0, 1.1e5)), In(f64(2.0, 1e-9, 1e5))])


def gamma_slope(a, x):
    """-(dF/da) / f for the distribution function F and the density f of a gamma number."""
    a, x = mpmath.mpf(a), mpmath.mpf(x)
    h = mpmath.mpf(10) ** -12 * min(a, 1)
    if x > a:
        below = lambda t: -mpmath.gammainc(t, x, mpmath.inf, regularized=True)
    else:
        below = lambda t: mpmath.gammainc(t, 0, x, regularized=True)
    density = mpmath.exp((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a))
    return float(-(below(a + h) - below(a - h)) / (2 * h) / density)


def beta_slope(x, a, b):
    """The same of a beta number, by a, divided by 1 - x."""
    x, a, b = mpmath.mpf(x), mpmath.mpf(a), mpmath.mpf(b)
    h = mpmath.mpf(10) ** -12 * min(a, 1)
    if x < a / (a + b):
        below = lambda t: mpmath.betainc(t, b, 0, x, regularized=True)
    else:
        below = lambda t: -mpmath.betainc(b, t, 0, 1 - x, regularized=True)
    log_beta = mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)
    density = mpmath.exp((a - 1) * mpmath.log(x) + (b - 1) * mpmath.log(1 - x) - log_beta)
    return float(-(below(a + h) - below(a - h)) / (2 * h) / density / (1 - x))


def slopes(f):
    mpmath.mp.dps = 40
    gamma = [(a, a * r if a >= 1 else r) for a in (1e-3, 0.1, 0.7, 1.0, 2.0, 3.5, 10.0, 50.0, 300.0)
             for r in (1e-6, 0.1, 0.5, 0.9, 1.0, 1.1, 2.0, 5.0)]
    beta = [(x, a, b) for a, b in ((0.01, 0.01), (0.5, 0.5), (1.0, 1.0), (2.0, 3.0), (0.1, 5.0), (5.0, 0.1), (30.0, 70.0),
                                   (1.0, 200.0), (200.0, 1.0), (3.0, 0.01))
            for x in (1e-9, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.99)]
    a, x = (f64(*column) for column in zip(*gamma))
    f.case("gamma.exact", "gamma", lambda *_: f64(*(gamma_slope(*p) for p in gamma)), [constant(a), constant(x)])
    # Where numbers are drawn PyTorch's approximations have three digits.
    likely = torch.tensor([p[0] >= 0.1 and 1e-3 < mpmath.gammainc(p[0], 0, p[1], regularized=True) < 1 - 1e-3
                           for p in gamma])
    f.case("gamma.torch", "gamma", torch._standard_gamma_grad, [constant(a[likely]), constant(x[likely])])
    x, a, b = (f64(*column) for column in zip(*beta))
    f.case("beta.exact", "beta", lambda *_: f64(*(beta_slope(*p) for p in beta)), [constant(x), constant(a), constant(b)])
    likely = torch.tensor([min(p[1:]) >= 0.1 and 1e-3 < mpmath.betainc(*p[1:], 0, p[0], regularized=True) < 1 - 1e-3
                           for p in beta])
    f.case("beta.torch", "beta", lambda x, a, b: torch._dirichlet_grad(x, a, a + b),
           [constant(x[likely]), constant(a[likely]), constant(b[likely])])


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "tests", "golden", "nn")
    os.makedirs(folder, exist_ok=True)
    torch.set_num_threads(1)
    fills = {"distributions": [usual, extreme], "distributions_kl": [divergences], "distributions_slopes": [slopes]}
    for name, parts in fills.items():
        family = Family(name)
        for fill in parts:
            fill(family)
        print(f"{name}: {len(family.cases)} cases, {family.write(folder)} bytes")
        for skipped, why in family.skipped:
            print(f"  PyTorch has none for {skipped}: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()
