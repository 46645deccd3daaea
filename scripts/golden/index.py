"""Elements by index."""

import torch
import torch.nn.functional as F

from cases import In

FLOATS = ["f32", "f64", "bf16", "f16"]


def by_index(f):
    for dtype in FLOATS + ["i64", "bool"]:
        for dim, size in ((0, 3), (1, 4), (-1, 4)):
            draw = lambda g, shape: In(g.integers(shape, "i64", 0, size))
            f.case(f"gather.{dim}.{dtype}", "gather", torch.gather,
                   lambda g: [In(g.any((3, 4), dtype)), dim, draw(g, (2, 3))])
            f.case(f"gather.{dim}.{dtype}.strided", "gather", torch.gather,
                   lambda g: [In(g.any((3, 4), dtype), "t"), dim, In(draw(g, (3, 2)).value, "t")])
            f.case(f"take_along_dim.{dim}.{dtype}", "take_along_dim",
                   lambda x, i, d: torch.take_along_dim(x, i, d),
                   lambda g: [In(g.any((3, 4), dtype)), draw(g, (3, 1) if dim else (1, 4)), dim])
            f.case(f"index_select.{dim}.{dtype}", "index_select", torch.index_select,
                   lambda g: [In(g.any((3, 4), dtype), "t"), dim, draw(g, (5,))])
            f.case(f"scatter.number.{dim}.{dtype}", "scatter",
                   lambda x, d, i, v: torch.scatter(x, d, i, v),
                   lambda g: [In(g.any((3, 4), dtype)), dim, draw(g, (2, 2)), 1])
            if dtype == "bool":
                continue
            distinct = lambda g: In(torch.stack([torch.from_numpy(g.random.permutation(size)[:2])
                                                 for _ in range(2)], dim=0 if dim else 1))
            f.case(f"scatter.{dim}.{dtype}", "scatter", lambda x, d, i, v: torch.scatter(x, d, i, v),
                   lambda g: [In(g.any((3, 4), dtype)), dim, distinct(g), In(g.any((2, 2), dtype))])
            f.case(f"scatter_add.{dim}.{dtype}", "scatter_add", torch.scatter_add,
                   lambda g: [In(g.any((3, 4), dtype)), dim, draw(g, (2, 3)), In(g.any((2, 3), dtype), "t")])
            f.case(f"index_add.{dim}.{dtype}", "index_add", torch.index_add,
                   lambda g: [In(g.any((3, 4), dtype)), dim, draw(g, (5,)),
                              In(g.any((3, 5) if dim else (5, 4), dtype))])


def masks(f):
    for dtype in FLOATS + ["i64", "u8", "bool"]:
        for mask in ((3, 4), (4,), (3, 1)):
            for layout in ("c", "t"):
                f.case(f"masked_select.{mask}.{dtype}.{layout}", "masked_select", torch.masked_select,
                       lambda g: [In(g.any((3, 4), dtype), layout), In(g.any(mask, "bool"))])
                f.case(f"masked_fill.{mask}.{dtype}.{layout}", "masked_fill", torch.masked_fill,
                       lambda g: [In(g.any((3, 4), dtype), layout), In(g.any(mask, "bool")), 1])
        f.case(f"nonzero.{dtype}", "nonzero", torch.nonzero, lambda g: [In(g.any((3, 4), dtype).long().fmod(2).to(
            g.any((1,), dtype).dtype), "t")], grad=False)
    f.case("masked_fill.minus_infinity", "masked_fill", torch.masked_fill,
           lambda g: [In(g.any((3, 4))), In(g.any((3, 4), "bool")), float("-inf")])
    f.case("nonzero.0d", "nonzero", torch.nonzero, [In(torch.tensor(2.0))], grad=False)
    f.case("nonzero.empty", "nonzero", torch.nonzero, [In(torch.zeros(0, 3))], grad=False)
    for shape in ((5,), (2, 3), (), (0,)):
        for classes in (-1, 6):
            f.case(f"one_hot.{list(shape)}.{classes}", "one_hot", F.one_hot,
                   lambda g: [In(g.integers(shape, "i64", 0, 5)), classes])
    for dtype in ("f32", "f64"):
        for shape in ((3,), (2, 2), (), (0,)):
            f.case(f"embedding.{list(shape)}.{dtype}", "embedding", lambda t, i: F.embedding(i, t),
                   lambda g: [In(g.any((4, 3), dtype)), In(g.integers(shape, "i64", 0, 4))])


# x[...] with x of (3, 4, 5): each item an integer, ["slice", start, stop, step], "...", "new", or a
# tensor ("mask": (shape) or "rows": (shape, size)).
ITEMS = [
    [1], [-1], [0, 2], ["..."], ["...", 1], ["new", 0], [["slice", 0, 2, 1]],
    [["slice", None, None, 2], ["slice", 1, None, 1]], ["...", ["slice", -3, -1, 1]],
    [0, "...", ["slice", 0, 4, 3]], [["rows", (2,), 3]], [["rows", (2, 2), 3]],
    [["slice", None, None, 1], ["rows", (3,), 4]], [["rows", (2,), 3], ["rows", (2,), 4]],
    [["rows", (2, 1), 3], ["rows", (3,), 4]],
    [["rows", (2,), 3], ["slice", None, None, 1], ["rows", (2,), 5]],
    [["rows", (2,), 3], 1], [0, ["rows", (2,), 4]], [0, ["slice", None, None, 1], ["rows", (2,), 5]],
    [["mask", (3,)]], [["mask", (3, 4)]], [["mask", (3, 4, 5)]],
    [["slice", None, None, 1], ["mask", (4,)]], [["mask", (3,)], "...", 2], ["new", ["rows", (2,), 3]],
    ["...", ["rows", (2,), 5]], [["rows", (0,), 3]], [["rows", (), 3]],
    [["rows", (2,), 3], "new", ["rows", (2,), 4]], [["mask", (3,)], ["slice", 0, 4, 2]],
]


def draw_items(g, items):
    out = []
    for item in items:
        if isinstance(item, list) and item[0] == "rows":
            out.append(In(g.integers(item[1], "i64", -item[2], item[2])))
        elif isinstance(item, list) and item[0] == "mask":
            out.append(In(g.any(item[1], "bool")))
        else:
            out.append(item)
    return out


def python_items(items):
    out = []
    for item in items:
        if isinstance(item, list):
            out.append(slice(*item[1:]))
        else:
            out.append({"...": Ellipsis, "new": None}.get(item, item) if isinstance(item, str) else item)
    return tuple(out)


def index(f):
    for items in ITEMS:
        text = str(items).replace(" ", "")
        for dtype, layout in (("f32", "c"), ("f64", "t"), ("bf16", "s"), ("i64", "c")):
            f.case(f"index.{text}.{dtype}", "index", lambda x, *i: x[python_items(i)],
                   lambda g: [In(g.any((3, 4, 5), dtype), layout), *draw_items(g, items)])

        def put(x, value, *i):
            y = x.clone()
            y[python_items(i)] = value
            return y

        def accumulate(x, value, *i):
            return torch.ops.aten.index_put(x, list(i), value, True)

        for dtype in ("f32", "f64", "i32"):
            f.case(f"assign.{text}.{dtype}", "assign", put,
                   lambda g: [In(g.any((3, 4, 5), dtype)), In(g.any((), dtype)), *draw_items(g, items)])
        tensors = [item for item in items if isinstance(item, list) and item[0] in ("rows", "mask")]
        if len(tensors) == len(items):
            f.case(f"index_put.accumulate.{text}", "index_put_accumulate", accumulate,
                   lambda g: [In(g.any((3, 4, 5))), In(g.any(())), *draw_items(g, items)])


FAMILIES = {"gather": by_index, "mask": masks, "index": index}
