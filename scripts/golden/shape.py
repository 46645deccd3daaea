"""Other shapes of the same elements, joins and repeats."""

import torch
import torch.nn.functional as F

from cases import In

S = (2, 3, 4)
# op, function, arguments after x, shape of x
OPS = [
    ("reshape", torch.reshape, [[6, 4]], S), ("reshape", torch.reshape, [[-1, 2]], S),
    ("reshape", torch.reshape, [[24]], S), ("reshape", torch.reshape, [[0, 5]], (5, 0)),
    ("reshape", torch.reshape, [[]], (1, 1)),
    ("flatten", torch.flatten, [0, -1], S), ("flatten", torch.flatten, [1, 2], S),
    ("flatten", torch.flatten, [0, -1], ()), ("unflatten", torch.unflatten, [-1, [2, -1]], S),
    ("squeeze_all", torch.squeeze, [], (1, 3, 1)), ("squeeze", torch.squeeze, [0], (1, 3, 1)),
    ("squeeze", torch.squeeze, [1], (1, 3, 1)),
    ("unsqueeze", torch.unsqueeze, [0], S), ("unsqueeze", torch.unsqueeze, [-1], S),
    ("unsqueeze", torch.unsqueeze, [0], ()),
    ("transpose", torch.transpose, [0, 2], S), ("transpose", torch.transpose, [-1, -2], S),
    ("permute", torch.permute, [[2, 0, 1]], S), ("permute", torch.permute, [[-1, 0, 1]], S),
    ("moveaxis", torch.moveaxis, [[0], [2]], S), ("moveaxis", torch.moveaxis, [[0, 1], [-1, 0]], S),
    ("expand", torch.Tensor.expand, [[4, 3, 2]], (3, 1)), ("expand", torch.Tensor.expand, [[2, -1]], (3,)),
    ("expand", torch.Tensor.expand, [[0, 3]], (1, 3)),
    ("broadcast_to", torch.broadcast_to, [[2, 3]], (3,)), ("broadcast_to", torch.broadcast_to, [[2, 2]], ()),
    ("repeat", torch.Tensor.repeat, [[2, 3]], (2, 2)), ("repeat", torch.Tensor.repeat, [[2, 1, 2]], (3, 2)),
    ("repeat", torch.Tensor.repeat, [[0, 2]], (2, 2)),
    ("tile", torch.tile, [[2]], (2, 3)), ("tile", torch.tile, [[2, 1, 3]], (2, 3)),
    ("roll", torch.roll, [[1], [0]], S), ("roll", torch.roll, [[-1, 2], [1, 2]], S),
    ("roll", torch.roll, [[5], []], (2, 3)),
    ("flip", torch.flip, [[0]], S), ("flip", torch.flip, [[0, -1]], S), ("flip", torch.flip, [[]], S),
    ("select", torch.select, [1, 2], S), ("select", torch.select, [-1, -1], S),
    ("narrow", torch.narrow, [2, 1, 2], S), ("narrow", torch.narrow, [0, 1, 0], S),
    ("slice", lambda x, d, a, b, s: x[(slice(None),) * d + (slice(a, b, s),)], [1, 0, 3, 2], S),
    ("slice", lambda x, d, a, b, s: x[(slice(None),) * d + (slice(a, b, s),)], [2, -3, 100, 1], S),
    ("slice", lambda x, d, a, b, s: x[(slice(None),) * d + (slice(a, b, s),)], [0, 2, 1, 1], S),
    ("split", lambda x, n, d: torch.split(x, n, d), [2, 2], S),
    ("split", lambda x, n, d: torch.split(x, n, d), [2, 1], S),
    ("split_sizes", lambda x, n, d: torch.split(x, n, d), [[1, 0, 3], -1], S),
    ("chunk", torch.chunk, [2, 0], S), ("chunk", torch.chunk, [3, 2], S), ("chunk", torch.chunk, [5, 1], S),
    ("unbind", torch.unbind, [0], S), ("unbind", torch.unbind, [-1], S),
    ("diagonal", torch.diagonal, [0, 0, 1], (3, 4)), ("diagonal", torch.diagonal, [1, 1, 2], S),
    ("diagonal", torch.diagonal, [-1, 0, -1], S), ("diagonal", torch.diagonal, [9, 0, 1], (3, 4)),
    ("unfold", torch.Tensor.unfold, [2, 2, 1], S), ("unfold", torch.Tensor.unfold, [0, 3, 2], (7, 2)),
    ("tril", torch.tril, [0], S), ("tril", torch.tril, [-1], (4, 3)), ("triu", torch.triu, [0], S),
    ("triu", torch.triu, [1], (3, 4)), ("triu", torch.triu, [-2], (4, 4)),
    ("pad", lambda x, p, m, v: F.pad(x, p, m, v), [[1, 2], "constant", 2.0], S),
    ("pad", lambda x, p, m, v: F.pad(x, p, m, v), [[1, 0, 2, 1], "constant", 0.0], S),
    ("pad", lambda x, p, m, v: F.pad(x, p, m, v), [[-1, 1], "constant", 0.0], S),
    ("pad", lambda x, p, m, v: F.pad(x, p, m), [[1, 2], "reflect", 0.0], S),
    ("pad", lambda x, p, m, v: F.pad(x, p, m), [[2, 1], "replicate", 0.0], S),
    ("pad", lambda x, p, m, v: F.pad(x, p, m), [[1, 2, 2, 1], "reflect", 0.0], (1, 2, 3, 4)),
    ("pad", lambda x, p, m, v: F.pad(x, p, m), [[1, 2, 2, 1], "replicate", 0.0], (1, 2, 3, 4)),
    ("contiguous", lambda x: x.contiguous(), [], S),
]


def shape(f):
    for op, fn, extra, dims in OPS:
        layouts = ["c", "t", "s", "o"] if dims and 0 not in dims else ["c"]
        for layout in layouts:
            f.case(f"{op}.{list(dims)}.{extra}.{layout}", op, fn,
                   lambda g: [In(g.uniform(dims), layout), *extra])
        for dtype in ("f64", "bf16", "i64", "bool"):
            f.case(f"{op}.{list(dims)}.{extra}.{dtype}", op, fn,
                   lambda g: [In(g.any(dims, dtype)), *extra])
    for args in ([4, 0], [3, 1], [5, -2]):
        f.case(f"view.{args}", "reshape", torch.reshape, lambda g: [In(g.uniform((6, 4)), "t"), [4, 6]])


def join(f):
    shapes = [([(2, 3), (4, 3)], 0), ([(2, 3), (2, 1), (2, 2)], 1), ([(2, 3), (2, 3)], -1),
              ([(3,)], 0), ([(0, 3), (2, 3)], 0), ([(0,), (2, 3)], 0)]
    for dims, dim in shapes:
        for dtype in ("f32", "f64", "bf16", "i32", "bool"):
            f.case(f"cat.{dims}.{dim}.{dtype}", "cat", torch.cat,
                   lambda g: [[In(g.any(d, dtype)) for d in dims], dim])
        if all(len(d) == 2 for d in dims):
            f.case(f"cat.{dims}.{dim}.strided", "cat", torch.cat,
                   lambda g: [[In(g.any(d), "t") for d in dims], dim])
    for pair in (("f32", "f64"), ("i32", "f32"), ("u8", "i64"), ("bf16", "f16"), ("bool", "u8")):
        f.case(f"cat.{pair}", "cat", torch.cat,
               lambda g: [[In(g.any((2, 2), dtype)) for dtype in pair], 0])
    for dim in (0, 1, -1):
        for dtype in ("f32", "f64", "i64"):
            for count in (1, 3):
                f.case(f"stack.{dim}.{dtype}.{count}", "stack", torch.stack,
                       lambda g: [[In(g.any((2, 3), dtype), "t") for _ in range(count)], dim])
    f.case("stack.0d", "stack", torch.stack, lambda g: [[In(g.any(())), In(g.any(()))], 0])


FAMILIES = {"shape": shape, "join": join}
