"""Reductions, scans and order."""

import torch

from cases import DTypeArg, In

FLOATS = ["f32", "f64", "bf16", "f16"]
SHAPE = (2, 3, 4)
# dims, keepdim
DIMS = [([0], False), ([1], True), ([-1], False), ([0, 2], False), ([0, 1, 2], True), ([-2, 0], True)]
NAN = torch.tensor([[1.0, float("nan"), 3.0], [float("inf"), -1.0, float("-inf")], [2.0, 0.5, 0.25]])


def over_dims(f):
    fns = {
        "sum": lambda x, d, k: torch.sum(x, d, k), "mean": lambda x, d, k: torch.mean(x, d, k),
        "amax": torch.amax, "amin": torch.amin, "logsumexp": torch.logsumexp,
        "var": lambda x, d, k: torch.var(x, d, correction=1, keepdim=k),
        "std": lambda x, d, k: torch.std(x, d, correction=1, keepdim=k),
        "var_biased": lambda x, d, k: torch.var(x, d, correction=0, keepdim=k),
        "norm": lambda x, d, k: torch.norm(x, 2, d, k),
        "norm1": lambda x, d, k: torch.norm(x, 1, d, k),
        "norm_inf": lambda x, d, k: torch.norm(x, float("inf"), d, k),
        "norm3": lambda x, d, k: torch.norm(x, 3.0, d, k),
        "all": torch.all, "any": torch.any,
    }
    for name, fn in fns.items():
        for dims, keepdim in DIMS:
            f.case(f"{name}.{dims}.{keepdim}", name, fn,
                   lambda g: [In(g.distinct(SHAPE)), dims, keepdim])
        for dtype in ("f64", "bf16", "f16", "i64", "i32", "u8", "bool"):
            f.case(f"{name}.{dtype}", name, fn,
                   lambda g: [In(g.distinct(SHAPE, dtype) if dtype != "bool" else g.any(SHAPE, dtype)),
                              [1], False])
        for layout in ("t", "s", "o"):
            f.case(f"{name}.layout.{layout}", name, fn,
                   lambda g: [In(g.distinct(SHAPE), layout), [0, 2], False])
        f.case(f"{name}.nan", name, fn, [In(NAN), [1], False], grad=False)
        f.case(f"{name}.empty", name, fn, lambda g: [In(g.uniform((2, 0, 3))), [1], False])
        f.case(f"{name}.empty.kept", name, fn, lambda g: [In(g.uniform((0, 3))), [1], False])
        f.case(f"{name}.ones", name, fn, lambda g: [In(g.uniform((1, 1))), [0], False])


def over_all(f):
    fns = {"sum": torch.sum, "mean": torch.mean, "prod": torch.prod, "max": torch.max,
           "min": torch.min, "var": torch.var, "std": torch.std, "norm": torch.norm,
           "all": torch.all, "any": torch.any, "argmax": torch.argmax, "argmin": torch.argmin,
           "median": torch.median}
    for name, fn in fns.items():
        op = name + "_all"
        for dtype in FLOATS + ["i64", "i32", "u8"]:
            f.case(f"{op}.{dtype}", op, fn, lambda g: [In(g.distinct((3, 3), dtype))])
        f.case(f"{op}.bool", op, fn, lambda g: [In(g.any((3, 3), "bool"))])
        f.case(f"{op}.0d", op, fn, lambda g: [In(g.uniform(()))])
        f.case(f"{op}.empty", op, fn, lambda g: [In(g.uniform((0, 2)))])
        f.case(f"{op}.transposed", op, fn, lambda g: [In(g.distinct((4, 3)), "t")])
        f.case(f"{op}.nan", op, fn, [In(NAN)], grad=False)


def along_a_dim(f):
    fns = {
        "prod": lambda x, d, k: torch.prod(x, d, k), "argmax": torch.argmax, "argmin": torch.argmin,
        "max": lambda x, d, k: tuple(torch.max(x, d, k)),
        "min": lambda x, d, k: tuple(torch.min(x, d, k)),
        "median": lambda x, d, k: tuple(torch.median(x, d, k)),
    }
    for name, fn in fns.items():
        for dim, keepdim in ((0, False), (1, True), (-1, False)):
            for layout in ("c", "t"):
                f.case(f"{name}.{dim}.{keepdim}.{layout}", name, fn,
                       lambda g: [In(g.distinct(SHAPE), layout), dim, keepdim])
        for dtype in ("f64", "bf16", "f16", "i64", "i32", "u8"):
            f.case(f"{name}.{dtype}", name, fn, lambda g: [In(g.distinct((3, 5), dtype)), 1, False])
        f.case(f"{name}.bool", name, fn, lambda g: [In(g.any((3, 1), "bool")), 1, False])
        f.case(f"{name}.nan", name, fn, [In(NAN), 1, False], grad=False)
        f.case(f"{name}.empty", name, fn, lambda g: [In(g.uniform((0, 3))), 1, False])
        f.case(f"{name}.0d", name, fn, lambda g: [In(g.uniform(())), 0, False])
    # A zero among the factors, and two of them.
    for zeros in (1, 2):
        x = torch.tensor([[1.5, 2.0, -3.0], [0.5, 4.0, 1.0]])
        x[0, :zeros] = 0
        f.case(f"prod.zeros.{zeros}", "prod", fns["prod"], [In(x), 1, False])


def scans(f):
    fns = {"cumsum": torch.cumsum, "cumprod": torch.cumprod,
           "cummax": lambda x, d: tuple(torch.cummax(x, d)),
           "cummin": lambda x, d: tuple(torch.cummin(x, d)), "logcumsumexp": torch.logcumsumexp}
    for name, fn in fns.items():
        for dim in (0, 1, -1):
            for layout in ("c", "t", "s"):
                f.case(f"{name}.{dim}.{layout}", name, fn, lambda g: [In(g.distinct(SHAPE), layout), dim])
        for dtype in ("f64", "bf16", "f16", "i64", "i32", "u8"):
            f.case(f"{name}.{dtype}", name, fn, lambda g: [In(g.distinct((2, 4), dtype)), 1])
        f.case(f"{name}.bool", name, fn, lambda g: [In(g.any((2, 3), "bool")), 1])
        f.case(f"{name}.nan", name, fn, [In(NAN), 1], grad=False)
        f.case(f"{name}.empty", name, fn, lambda g: [In(g.uniform((2, 0))), 1])
        f.case(f"{name}.0d", name, fn, lambda g: [In(g.uniform(())), 0])


def order(f):
    for dim in (0, -1):
        for descending in (False, True):
            for dtype in ("f32", "f64", "bf16", "i64", "i32", "u8"):
                f.case(f"sort.{dim}.{descending}.{dtype}", "sort",
                       lambda x, d, r: tuple(torch.sort(x, dim=d, descending=r, stable=True)),
                       lambda g: [In(g.distinct((3, 4), dtype)), dim, descending])
            f.case(f"sort.ties.{dim}.{descending}", "sort",
                   lambda x, d, r: tuple(torch.sort(x, dim=d, descending=r, stable=True)),
                   lambda g: [In(g.integers((4, 5), "i64", 0, 3)), dim, descending])
            f.case(f"sort.nan.{dim}.{descending}", "sort",
                   lambda x, d, r: tuple(torch.sort(x, dim=d, descending=r, stable=True)),
                   [In(NAN), dim, descending], grad=False)
            f.case(f"argsort.{dim}.{descending}", "argsort",
                   lambda x, d, r: torch.argsort(x, dim=d, descending=r, stable=True),
                   lambda g: [In(g.distinct((3, 4)), "t"), dim, descending])
            for k in (0, 1, 3):
                for layout in ("c", "t"):
                    f.case(f"topk.{k}.{dim}.{descending}.{layout}", "topk",
                           lambda x, k, d, l: tuple(torch.topk(x, k, d, l, True)),
                           lambda g: [In(g.distinct((3, 4)), layout), k, dim, descending])
    for side in (False, True):
        for dtype in ("f32", "f64", "i64", "i32"):
            f.case(f"searchsorted.{side}.{dtype}", "searchsorted",
                   lambda s, v, r: torch.searchsorted(s, v, right=r),
                   lambda g: [In(g.any((7,), dtype).sort().values), In(g.any((2, 3), dtype)), side],
                   grad=False)
        f.case(f"searchsorted.rows.{side}", "searchsorted",
               lambda s, v, r: torch.searchsorted(s, v, right=r),
               lambda g: [In(g.integers((3, 6)).sort().values), In(g.integers((3, 2))), side], grad=False)
    for args in ((0,), (8,)):
        f.case(f"bincount.{args}", "bincount", lambda x, w, m: torch.bincount(x, w, m),
               lambda g: [In(g.integers((9,), "i64", 0, 5)), None, *args])
        f.case(f"bincount.weights.{args}", "bincount", lambda x, w, m: torch.bincount(x, w, m),
               lambda g: [In(g.integers((9,), "i64", 0, 5)), In(g.uniform((9,), "f64"), "c", False), *args])
    f.case("bincount.empty", "bincount", lambda x, w, m: torch.bincount(x, w, m),
           lambda g: [In(g.integers((0,))), None, 0])


FAMILIES = {"reduce": over_dims, "reduce_all": over_all, "reduce_dim": along_a_dim, "scan": scans,
            "order": order}
