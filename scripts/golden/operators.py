"""Operators beside the main families: special functions, stacking, diagonals, writes by index,
vectors and patches."""

import torch
import torch.nn.functional as F

from cases import DTypeArg, In

FLOATS = ["f32", "f64", "bf16", "f16"]
INTEGERS = ["i64", "i32", "u8", "bool"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 1e30, -1e30, 1e-30, -1e-30,
           float("inf"), float("-inf"), float("nan")]
# What a binary function must be right for, pair by pair.
CORNERS = [0.0, -0.0, 1.0, -2.5, 1e30, -1e30, 1e-30, float("inf"), float("-inf"), float("nan")]


def layouts(shape):
    return ["c", "t", "s", "o"] if shape and 0 not in shape else ["c"]


# name, arguments after x, function, low, high
UNARY = [
    ("logit", [None], torch.logit, 0.05, 0.95), ("logit", [0.2], torch.logit, 0.01, 0.99),
    ("logit", [0.0], torch.logit, 0.05, 0.95),
    ("round_decimals", [2], lambda x, d: torch.round(x, decimals=d), -3, 3),
    ("round_decimals", [-1], lambda x, d: torch.round(x, decimals=d), -300, 300),
    ("round_decimals", [0], lambda x, d: torch.round(x, decimals=d), -3, 3),
    ("threshold", [0.25, -1.5], F.threshold, -2, 2), ("threshold", [1, 7], F.threshold, -2, 2),
    ("hardshrink", [0.5], F.hardshrink, -2, 2), ("hardshrink", [0.0], F.hardshrink, -2, 2),
    ("hardshrink", [-1.0], F.hardshrink, -2, 2),
    ("softshrink", [0.5], F.softshrink, -2, 2), ("softshrink", [0.0], F.softshrink, -2, 2),
    ("tanhshrink", [], F.tanhshrink, -3, 3),
    ("float_power", [2], torch.float_power, 0.1, 2), ("float_power", [-0.5], torch.float_power, 0.1, 2),
    ("copysign", [-2.0], torch.copysign, -2, 2), ("copysign", [0], torch.copysign, -2, 2),
    ("xlogy", [2.5], torch.xlogy, -2, 2), ("xlogy", [0], torch.xlogy, -2, 2),
]


def special(f):
    for name, extra, fn, low, high in UNARY:
        def draw(shape, dtype, layout="c"):
            return lambda g: [In(g.uniform(shape, dtype, low, high) if dtype in FLOATS
                                 else g.any(shape, dtype), layout), *extra]
        for dtype in FLOATS:
            f.case(f"{name}{extra}.{dtype}", name, fn, draw((2, 5), dtype))
        for dtype in INTEGERS:
            f.case(f"{name}{extra}.{dtype}", name, fn, draw((5,), dtype))
        f.case(f"{name}{extra}.0d", name, fn, draw((), "f32"))
        f.case(f"{name}{extra}.0d.f16", name, fn, draw((), "f16"))
        f.case(f"{name}{extra}.empty", name, fn, draw((2, 0), "f32"))
        for layout in ("t", "s", "o"):
            f.case(f"{name}{extra}.layout.{layout}", name, fn, draw((3, 4), "f32", layout))
        f.case(f"{name}{extra}.special", name, fn, [In(torch.tensor(SPECIAL)), *extra])
    for n in (0, 1, 2, 3, 4, 9):
        fn = lambda x, n: torch.polygamma(n, x)
        for dtype in FLOATS:
            f.case(f"polygamma.{n}.{dtype}", "polygamma", fn,
                   lambda g: [In(g.uniform((2, 5), dtype, 0.6, 6)), n])
        for dtype in ("f32", "f64"):
            f.case(f"polygamma.{n}.negative.{dtype}", "polygamma", fn,
                   lambda g: [In(torch.tensor([-0.5, -1.25, -3.75, -0.125, -6.375]).to(
                       torch.float32 if dtype == "f32" else torch.float64)), n])
        f.case(f"polygamma.{n}.i64", "polygamma", fn, [In(torch.tensor([1, 2, 5, 40])), n])
        f.case(f"polygamma.{n}.transposed", "polygamma", fn,
               lambda g: [In(g.uniform((3, 4), "f32", 0.6, 6), "t"), n])
    f.case("polygamma.poles", "polygamma", lambda x, n: torch.polygamma(n, x),
           [In(torch.tensor([0.0, -1.0, -2.0])), 2], grad=False)


BINARY = {"xlogy": torch.xlogy, "hypot": torch.hypot, "copysign": torch.copysign,
          "float_power": torch.float_power}
SHAPES = [((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 1)), ((2, 3), ()), ((), ()), ((0, 3), (3,))]


def special_pairs(f):
    for name, fn in BINARY.items():
        def right(g, shape, dtype):
            positive = name in ("xlogy", "float_power") and dtype in FLOATS
            return g.uniform(shape, dtype, 0.3, 3) if positive else g.any(shape, dtype)

        def left(g, shape, dtype):
            return g.uniform(shape, dtype, 0.3, 2) if name == "float_power" and dtype in FLOATS \
                else g.any(shape, dtype)
        for a, b in SHAPES:
            f.case(f"{name}.{list(a)}.{list(b)}", name, fn,
                   lambda g: [In(left(g, a, "f32")), In(right(g, b, "f32"))])
        for a in FLOATS + INTEGERS:
            for b in FLOATS + INTEGERS:
                f.case(f"{name}.{a}.{b}", name, fn,
                       lambda g: [In(left(g, (4,), a)), In(right(g, (4,), b))])
        f.case(f"{name}.strided", name, fn,
               lambda g: [In(left(g, (3, 4), "f32"), "t"), In(right(g, (3, 4), "f32"), "s")])
        f.case(f"{name}.expanded", name, fn,
               lambda g: [In(left(g, (1, 4), "f32").expand(3, 4), "e"), In(right(g, (3, 4), "f32"))])
        pairs = torch.tensor([(x, y) for x in CORNERS for y in CORNERS]).T.contiguous()
        f.case(f"{name}.special", name, fn, [In(pairs[0]), In(pairs[1])], grad=name != "float_power")
    for dtype in ("f32", "f64", "i64", "f16"):
        f.case(f"number_xlogy.{dtype}", "number_xlogy", lambda x, a: torch.xlogy(a, x),
               lambda g: [In(g.any((4,), dtype).abs()), 1.5])
        f.case(f"number_float_power.{dtype}", "number_float_power",
               lambda x, a: torch.float_power(a, x), lambda g: [In(g.any((4,), dtype)), 1.5])


MANY = {"hstack": torch.hstack, "vstack": torch.vstack, "dstack": torch.dstack,
        "column_stack": torch.column_stack, "broadcast_tensors": lambda xs: torch.broadcast_tensors(*xs),
        "meshgrid_ij": lambda xs: torch.meshgrid(*xs, indexing="ij"),
        "meshgrid_xy": lambda xs: torch.meshgrid(*xs, indexing="xy")}
LISTS = [[(3,), (3,)], [(), (2,)], [(2,), (3,), (1,)], [(2, 3), (2, 3)], [(2, 1), (2, 3)],
         [(2, 2), (1, 2)], [(2, 2, 1), (2, 2, 3)], [(0,), (2,)], [(4,)], [(), ()]]


def both(values):
    return values * 2 if len(values) == 1 else values


def unfold(x, *lists):
    return F.unfold(x, *map(both, lists))


def fold(x, *lists):
    return F.fold(x, *map(both, lists))


S = (2, 3, 4)
# op, function, arguments after x, shape of x
SHAPED = [
    ("clone", torch.clone, [], S), ("clone", torch.clone, [], ()),
    ("tensor_split", torch.tensor_split, [2, 0], S), ("tensor_split", torch.tensor_split, [5, -1], S),
    ("tensor_split_indices", lambda x, i, d: torch.tensor_split(x, tuple(i), d), [[1, 3], 2], S),
    ("tensor_split_indices", lambda x, i, d: torch.tensor_split(x, tuple(i), d), [[3, 1], 1], S),
    ("tensor_split_indices", lambda x, i, d: torch.tensor_split(x, tuple(i), d), [[-2, 9], 2], S),
    ("repeat_interleave", torch.repeat_interleave, [2, 1], S),
    ("repeat_interleave", torch.repeat_interleave, [3, None], S),
    ("repeat_interleave", torch.repeat_interleave, [3, None], ()),
    ("repeat_interleave", torch.repeat_interleave, [0, -1], S),
    ("rot90", torch.rot90, [1, [0, 1]], S), ("rot90", torch.rot90, [2, [1, 2]], S),
    ("rot90", torch.rot90, [-1, [-1, 0]], S), ("rot90", torch.rot90, [4, [0, 1]], S),
    ("diff", torch.diff, [1, -1], S), ("diff", torch.diff, [2, 1], S), ("diff", torch.diff, [0, 0], S),
    ("diff", torch.diff, [7, 0], S),
    ("diag", torch.diag, [0], (3,)), ("diag", torch.diag, [-2], (2,)), ("diag", torch.diag, [1], (3, 4)),
    ("diag", torch.diag, [0], (0,)), ("diag", torch.diag, [9], (2, 2)),
    ("diag_embed", torch.diag_embed, [0, -2, -1], (3,)),
    ("diag_embed", torch.diag_embed, [1, 0, 2], (2, 3)), ("diag_embed", torch.diag_embed, [-1, 2, 0], (2, 3)),
    ("nanmean", lambda x, d, k: torch.nanmean(x, d, k), [[0, 2], False], S),
    ("nanmean", lambda x, d, k: torch.nanmean(x, d, k), [[-1], True], S),
    ("softmin", F.softmin, [0], S), ("softmin", F.softmin, [-1], S),
    ("unfold_images", unfold, [[2], [1], [0], [1]], (2, 1, 3, 4)),
    ("unfold_images", unfold, [[2, 3], [1, 2], [1, 2], [2, 1]], (1, 2, 4, 5)),
    ("unfold_images", unfold, [[3], [1], [1], [2]], (2, 4, 5)),
    ("fold", fold, [[3, 4], [2], [1], [0], [1]], (2, 4, 6)),
    ("fold", fold, [[4, 5], [2, 3], [1, 2], [1, 2], [2, 1]], (1, 12, 15)),
    ("fold", fold, [[3], [2], [1], [1], [1]], (8, 16)),
]


def stacking(f):
    for name, fn in MANY.items():
        for dims in LISTS:
            for dtype in ("f32", "f64", "bf16", "i64", "bool"):
                f.case(f"{name}.{dims}.{dtype}", name, fn,
                       lambda g: [[In(g.any(d, dtype)) for d in dims]])
            if all(len(d) > 1 for d in dims):
                f.case(f"{name}.{dims}.strided", name, fn,
                       lambda g: [[In(g.any(d), "t") for d in dims]])
        for pair in (("f32", "f64"), ("i32", "f32"), ("u8", "i64"), ("bf16", "f16")):
            f.case(f"{name}.{pair}", name, fn, lambda g: [[In(g.any((2,), dtype)) for dtype in pair]])
    for op, fn, extra, dims in SHAPED:
        for layout in layouts(dims):
            f.case(f"{op}.{list(dims)}.{extra}.{layout}", op, fn,
                   lambda g: [In(g.uniform(dims), layout), *extra])
        for dtype in ("f64", "bf16", "f16", "i64", "u8", "bool"):
            f.case(f"{op}.{list(dims)}.{extra}.{dtype}", op, fn,
                   lambda g: [In(g.any(dims, dtype)), *extra])
    holes = torch.tensor([[1.0, float("nan"), 3.0], [float("nan")] * 3])
    f.case("nanmean.nan", "nanmean", lambda x, d, k: torch.nanmean(x, d, k), [In(holes), [1], False])
    for counts in ([1, 0, 2, 3], [2]):
        f.case(f"repeat_interleave.{counts}", "repeat_interleave_counts",
               lambda x, r, d: torch.repeat_interleave(x, r, d),
               lambda g: [In(g.uniform(S), "t"), In(torch.tensor(counts)), 2])
    f.case("repeat_interleave.alone", "repeat_interleave_alone", torch.repeat_interleave,
           [In(torch.tensor([1, 0, 3], dtype=torch.int32))])
    for dims, dim in (((2, 1, 4), 1), ((2, 3, 2), -1)):
        for dtype in ("f32", "f64", "i64", "bool"):
            f.case(f"diff.joined.{dim}.{dtype}", "diff_joined",
                   lambda x, a, b, n, d: torch.diff(x, n, d, a, b),
                   lambda g: [In(g.any(S, dtype)), In(g.any(dims, dtype)), In(g.any(dims, dtype)), 2, dim])
    for name, fn in (("tril_indices", torch.tril_indices), ("triu_indices", torch.triu_indices)):
        for args in ((3, 3, 0), (2, 4, 1), (4, 2, -1), (0, 3, 0), (2, 2, -9), (2, 2, 9)):
            for dtype in ("i64", "i32"):
                f.case(f"{name}.{list(args)}.{dtype}", name,
                       lambda a, b, o, t, fn=fn: fn(a, b, o, dtype=t), [*args, DTypeArg(dtype)])


REDUCE = ("sum", "prod", "mean", "amax", "amin")


def index_write(f):
    at = lambda *values: In(torch.tensor(values))
    for dtype in FLOATS + INTEGERS:
        f.case(f"take.{dtype}", "take", torch.take,
               lambda g: [In(g.any((2, 3), dtype), "t"), In(torch.tensor([[0, -1], [4, 4]]))])
        for accumulate in (False, True):
            index = torch.tensor([1, -1, 0]) if not accumulate else torch.tensor([1, -1, 1])
            f.case(f"put.{accumulate}.{dtype}", "put", lambda x, i, s, a: x.put(i, s, a),
                   lambda g: [In(g.any((2, 3), dtype), "t"), In(index), In(g.any((3, 1), dtype)), accumulate])
        for dim in (0, -1):
            f.case(f"index_fill.{dim}.{dtype}", "index_fill",
                   lambda x, d, i, v: torch.index_fill(x, d, i, v),
                   lambda g: [In(g.any((2, 3), dtype), "t"), dim, at(0, -1), 1])
            f.case(f"index_fill.tensor.{dim}.{dtype}", "index_fill", torch.index_fill,
                   lambda g: [In(g.any((2, 3), dtype)), dim, at(1), In(g.any((), dtype))])
        f.case(f"index_copy.{dtype}", "index_copy", torch.index_copy,
               lambda g: [In(g.any((2, 3), dtype), "s"), 1, at(2, 0), In(g.any((2, 2), dtype), "t")])
        f.case(f"masked_scatter.{dtype}", "masked_scatter", torch.masked_scatter,
               lambda g: [In(g.any((2, 3), dtype), "t"), In(torch.tensor([True, False, True])),
                          In(g.any((3, 2), dtype), "t")])
        for reduce in REDUCE:
            for own in (True, False):
                f.case(f"scatter_reduce.{reduce}.{own}.{dtype}", "scatter_reduce",
                       lambda x, d, i, s, r, o: torch.scatter_reduce(x, d, i, s, r, include_self=o),
                       lambda g: [In(g.any((3, 4), dtype), "t"), 1,
                                  In(torch.tensor([[0, 1, 0], [2, 2, 2]])),
                                  In(g.any((2, 3), dtype), "s"), reduce, own])
        f.case(f"select_scatter.{dtype}", "select_scatter", torch.select_scatter,
               lambda g: [In(g.any((2, 3), dtype), "t"), In(g.any((2,), dtype)), 1, -1])
        f.case(f"slice_scatter.{dtype}", "slice_scatter", torch.slice_scatter,
               lambda g: [In(g.any((2, 5), dtype), "t"), In(g.any((2, 2), dtype)), 1, 1, -1, 2])
        f.case(f"diagonal_scatter.{dtype}", "diagonal_scatter", torch.diagonal_scatter,
               lambda g: [In(g.any((2, 3), dtype), "t"), In(g.any((2,), dtype)), 1, 0, 1])
    for name, fn, more in (("select_scatter", torch.select_scatter, [0, 0]),
                           ("index_fill", torch.index_fill, None)):
        if more:
            f.case(f"{name}.converted", name, fn,
                   lambda g: [In(g.any((2, 3), "f64")), In(g.any((3,), "f32")), *more])
    zeros = torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    for source in ([[0.0, 2.0, 3.0]], [[0.0, 0.0, 3.0]], [[0.0, 2.0, 0.0]]):
        f.case(f"scatter_reduce.prod.zeros.{source}", "scatter_reduce",
               lambda x, d, i, s, r, o: torch.scatter_reduce(x, d, i, s, r, include_self=o),
               [In(zeros), 1, In(torch.tensor([[0, 0, 1]])), In(torch.tensor(source)), "prod", True])
    for reduce in ("amax", "amin"):
        f.case(f"scatter_reduce.{reduce}.ties", "scatter_reduce",
               lambda x, d, i, s, r, o: torch.scatter_reduce(x, d, i, s, r, include_self=o),
               [In(torch.tensor([1.0, 2.0])), 0, In(torch.tensor([0, 0, 1])),
                In(torch.tensor([1.0, 1.0, 2.0])), reduce, True])
    f.case("scatter_reduce.0d", "scatter_reduce",
           lambda x, d, i, s, r, o: torch.scatter_reduce(x, d, i, s, r, include_self=o),
           [In(torch.tensor(2.0)), 0, In(torch.tensor(0)), In(torch.tensor(3.0)), "prod", True])
    for op, fn, more in (("index_fill", torch.index_fill, [0, at(0), 2]),
                         ("take", torch.take, [at(0, 0)]),
                         ("index_copy", torch.index_copy, [0, at(0), In(torch.tensor([2.0]))])):
        f.case(f"{op}.0d", op, fn, [In(torch.tensor(2.5)), *more])
    for a in ("f32", "f64", "i64", "i32", "u8", "f16"):
        for b in ("f32", "i64", "u8"):
            f.case(f"isin.{a}.{b}", "isin", lambda x, t, i: torch.isin(x, t, invert=i),
                   lambda g: [In(g.integers((2, 9), "i64", 0, 6).to(torch.float32).to(In(g.any((), a)).value.dtype)),
                              In(g.integers((12,), "i64", 0, 40).to(In(g.any((), b)).value.dtype)), False])
    f.case("isin.few", "isin", lambda x, t, i: torch.isin(x, t, invert=i),
           [In(torch.tensor([1.0, float("nan"), 2.0])), In(torch.tensor([float("nan"), 2.0])), True])


def vectors(f):
    for dtype in FLOATS:
        for dims, dim in (((2, 3), 1), ((3, 2, 2), 0), ((4,), -1), ((), 0), ((0, 3), 0)):
            for p in (2.0, 1.0, 3.0, float("inf")):
                f.case(f"normalize.{list(dims)}.{dim}.{p}.{dtype}", "normalize",
                       lambda x, p, d, e: F.normalize(x, p, d, e),
                       lambda g: [In(g.uniform(dims, dtype)), p, [dim], 1e-12])
        for a, b, dim in (((2, 3), (2, 3), 1), ((2, 3), (3,), -1), ((3, 1), (3, 2), 0), ((), (), 0)):
            f.case(f"cosine_similarity.{list(a)}.{list(b)}.{dim}.{dtype}", "cosine_similarity",
                   lambda x, y, d, e: F.cosine_similarity(x, y, d, e),
                   lambda g: [In(g.uniform(a, dtype)), In(g.uniform(b, dtype)), dim, 1e-8])
            f.case(f"vecdot.{list(a)}.{list(b)}.{dim}.{dtype}", "vecdot",
                   lambda x, y, d: torch.linalg.vecdot(x, y, dim=d),
                   lambda g: [In(g.uniform(a, dtype)), In(g.uniform(b, dtype)), dim])
        f.case(f"cosine_similarity.below_eps.{dtype}", "cosine_similarity",
               lambda x, y, d, e: F.cosine_similarity(x, y, d, e),
               lambda g: [In(g.uniform((2, 3), dtype, 0.01, 0.1)), In(g.uniform((2, 3), dtype)), 1, 0.5])
        f.case(f"normalize.below_eps.{dtype}", "normalize",
               lambda x, p, d, e: F.normalize(x, p, d, e),
               lambda g: [In(g.uniform((2, 3), dtype, 0.01, 0.1), "t"), 2.0, [1], 0.5])
    f.case("normalize.zero", "normalize", lambda x, p, d, e: F.normalize(x, p, d, e),
           [In(torch.tensor([[0.0, 0.0], [3.0, 4.0]])), 2.0, [1], 1e-12])
    f.case("cosine_similarity.zero", "cosine_similarity",
           lambda x, y, d, e: F.cosine_similarity(x, y, d, e),
           [In(torch.tensor([[0.0, 0.0], [3.0, 4.0]])), In(torch.tensor([[1.0, 2.0], [4.0, -3.0]])), 1, 1e-8])
    for pair in (("f32", "f64"), ("f32", "i64"), ("f16", "f32")):
        f.case(f"cosine_similarity.{pair}", "cosine_similarity",
               lambda x, y, d, e: F.cosine_similarity(x, y, d, e),
               lambda g: [In(g.any((2, 3), pair[0])), In(g.any((2, 3), pair[1])), 1, 1e-8])
    for dtype in ("f32", "f64", "bf16", "f16", "i64", "i32", "u8"):
        for a, b in (((2, 3), (4, 3)), ((3,), (3,)), ((), (2, 3)), ((2, 1, 3), (2, 3)), ((0, 3), (2, 3))):
            f.case(f"inner.{list(a)}.{list(b)}.{dtype}", "inner", torch.inner,
                   lambda g: [In(g.any(a, dtype)), In(g.any(b, dtype))])
        for a, b, dim in (((3,), (3,), 0), ((2, 3), (2, 3), -1), ((3, 2), (3, 1), 0), ((0, 3), (0, 3), 1)):
            f.case(f"cross.{list(a)}.{list(b)}.{dim}.{dtype}", "cross",
                   lambda x, y, d: torch.linalg.cross(x, y, dim=d),
                   lambda g: [In(g.any(a, dtype)), In(g.any(b, dtype)), dim])
        for beta, alpha in ((1, 1), (2, 3), (0, 1)):
            for op, fn, shapes in (
                    ("addmv", torch.addmv, [(2,), (2, 3), (3,)]), ("addmv", torch.addmv, [(), (2, 3), (3,)]),
                    ("addbmm", torch.addbmm, [(2, 2), (3, 2, 4), (3, 4, 2)]),
                    ("addbmm", torch.addbmm, [(2,), (0, 3, 4), (0, 4, 2)]),
                    ("addr", torch.addr, [(2, 3), (2,), (3,)]), ("addr", torch.addr, [(3,), (2,), (3,)])):
                f.case(f"{op}.{shapes}.{beta}.{alpha}.{dtype}", op,
                       lambda c, a, b, be, al, fn=fn: fn(c, a, b, beta=be, alpha=al),
                       lambda g: [In(g.any(s, dtype)) for s in shapes] + [beta, alpha])
    f.case("addr.bool", "addr", lambda c, a, b, be, al: torch.addr(c, a, b, beta=be, alpha=al),
           lambda g: [In(g.any((2, 3), "bool")), In(g.any((2,), "bool")), In(g.any((3,), "bool")), 1, 1])
    for types in (("f32", "i64", "i64"), ("i64", "f32", "f64"), ("f16", "f32", "bf16")):
        f.case(f"addr.{types}", "addr", lambda c, a, b, be, al: torch.addr(c, a, b, beta=be, alpha=al),
               lambda g: [In(g.any((2, 3), types[0])), In(g.any((2,), types[1])),
                          In(g.any((3,), types[2])), 1, 1])
    for op, fn, shapes in (("addmv", torch.addmv, [(2,), (2, 3), (3,)]),
                           ("addbmm", torch.addbmm, [(2, 2), (3, 2, 4), (3, 4, 2)]),
                           ("addr", torch.addr, [(2, 3), (2,), (3,)])):
        f.case(f"{op}.fractions", op, lambda c, a, b, be, al, fn=fn: fn(c, a, b, beta=be, alpha=al),
               lambda g: [In(g.uniform(s), "t") for s in shapes] + [0.5, -1.5])
    for layout in ("t", "s", "o"):
        for op, fn, a, b in (("inner", torch.inner, (2, 3), (4, 3)),):
            f.case(f"{op}.layout.{layout}", op, fn,
                   lambda g: [In(g.uniform(a), layout), In(g.uniform(b), layout)])
        f.case(f"cross.layout.{layout}", "cross", lambda x, y, d: torch.linalg.cross(x, y, dim=d),
               lambda g: [In(g.uniform((2, 3)), layout), In(g.uniform((2, 3)), layout), 1])
        f.case(f"normalize.layout.{layout}", "normalize", lambda x, p, d, e: F.normalize(x, p, d, e),
               lambda g: [In(g.uniform((2, 3)), layout), 2.0, [0], 1e-12])
        f.case(f"cosine_similarity.layout.{layout}", "cosine_similarity",
               lambda x, y, d, e: F.cosine_similarity(x, y, d, e),
               lambda g: [In(g.uniform((2, 3)), layout), In(g.uniform((2, 3)), layout), 1, 1e-8])


FAMILIES = {"special": special, "special_pairs": special_pairs, "stacking": stacking,
            "index_write": index_write, "vectors": vectors}
