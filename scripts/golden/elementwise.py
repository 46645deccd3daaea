"""Functions element by element: unary, binary with promotion, in place, casts, creation."""

import torch
import torch.nn.functional as F

from cases import DTypeArg, In

FLOATS = ["f32", "f64", "bf16", "f16"]
ALL = ["f32", "f64", "bf16", "f16", "i64", "i32", "u8", "bool"]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 1e30, -1e30, 1e-30, float("inf"),
           float("-inf"), float("nan")]

# name: (function, low, high); the range keeps off poles and kinks.
UNARY = {
    "abs": (torch.abs, -2, 2), "neg": (torch.neg, -2, 2), "sign": (torch.sign, -2, 2),
    "square": (torch.square, -2, 2), "sqrt": (torch.sqrt, 0.1, 3),
    "rsqrt": (torch.rsqrt, 0.1, 3), "reciprocal": (torch.reciprocal, 0.3, 3),
    "exp": (torch.exp, -2, 2), "exp2": (torch.exp2, -2, 2), "expm1": (torch.expm1, -2, 2),
    "log": (torch.log, 0.1, 3), "log2": (torch.log2, 0.1, 3), "log10": (torch.log10, 0.1, 3),
    "log1p": (torch.log1p, -0.8, 3), "sin": (torch.sin, -4, 4), "cos": (torch.cos, -4, 4),
    "tan": (torch.tan, -1, 1), "asin": (torch.asin, -0.9, 0.9), "acos": (torch.acos, -0.9, 0.9),
    "atan": (torch.atan, -3, 3), "sinh": (torch.sinh, -2, 2), "cosh": (torch.cosh, -2, 2),
    "tanh": (torch.tanh, -2, 2), "asinh": (torch.asinh, -3, 3), "acosh": (torch.acosh, 1.2, 4),
    "atanh": (torch.atanh, -0.9, 0.9), "erf": (torch.erf, -2, 2), "erfc": (torch.erfc, -2, 2),
    "erfinv": (torch.erfinv, -0.9, 0.9), "lgamma": (torch.lgamma, 0.2, 5),
    "floor": (torch.floor, -3, 3), "ceil": (torch.ceil, -3, 3), "round": (torch.round, -3, 3),
    "trunc": (torch.trunc, -3, 3), "frac": (torch.frac, -3, 3),
    "relu": (torch.relu, -2, 2), "relu6": (F.relu6, -2, 8), "silu": (F.silu, -3, 3),
    "mish": (F.mish, -3, 3), "selu": (F.selu, -3, 3), "hardswish": (F.hardswish, -4, 4),
    "hardsigmoid": (F.hardsigmoid, -4, 4), "logsigmoid": (F.logsigmoid, -4, 4),
    "sigmoid": (torch.sigmoid, -4, 4),
    "isnan": (torch.isnan, -2, 2), "isinf": (torch.isinf, -2, 2),
    "isfinite": (torch.isfinite, -2, 2), "logical_not": (torch.logical_not, -2, 2),
    "bitwise_not": (torch.bitwise_not, -2, 2),
}

# name, arguments after x, function
WITH_NUMBERS = [
    ("gelu", ["none"], lambda x, a: F.gelu(x, approximate=a)),
    ("gelu", ["tanh"], lambda x, a: F.gelu(x, approximate=a)),
    ("leaky_relu", [0.01], F.leaky_relu), ("leaky_relu", [0.3], F.leaky_relu),
    ("elu", [1.0], F.elu), ("elu", [0.5], F.elu),
    ("celu", [1.0], F.celu), ("celu", [0.7], F.celu),
    ("softplus", [1.0, 20.0], F.softplus), ("softplus", [2.0, 1.0], F.softplus),
    ("clamp", [-0.5, 0.75], torch.clamp), ("clamp", [None, 0.5], torch.clamp),
    ("clamp", [-0.25, None], torch.clamp),
    ("nan_to_num", [0.0, None, None], torch.nan_to_num),
    ("nan_to_num", [1.5, 9.0, -9.0], torch.nan_to_num),
    ("pow", [2.0], torch.pow), ("pow", [3], torch.pow), ("pow", [0.5], torch.pow),
    ("pow", [-1.5], torch.pow), ("pow", [0], torch.pow),
    ("add", [2.5], torch.add), ("add", [3], torch.add), ("sub", [1.5], torch.sub),
    ("mul", [-2.5], torch.mul), ("mul", [2], torch.mul), ("div", [4.0], torch.div),
    ("div", [3], torch.div), ("remainder", [0.7], torch.remainder),
    ("fmod", [0.7], torch.fmod), ("floor_divide", [2], torch.floor_divide),
]

BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
    "maximum": torch.maximum, "minimum": torch.minimum, "fmax": torch.fmax, "fmin": torch.fmin,
    "pow": torch.pow, "atan2": torch.atan2, "fmod": torch.fmod, "remainder": torch.remainder,
    "floor_divide": torch.floor_divide, "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt,
    "ge": torch.ge, "logical_and": torch.logical_and, "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor, "bitwise_and": torch.bitwise_and,
    "bitwise_or": torch.bitwise_or, "bitwise_xor": torch.bitwise_xor,
    "bitwise_left_shift": torch.bitwise_left_shift,
    "bitwise_right_shift": torch.bitwise_right_shift,
}
NO_GRADIENT = {"floor_divide"}
BITWISE = [name for name in BINARY if name.startswith("bitwise")]
# The second operand may be neither zero nor negative in these.
POSITIVE_RIGHT = {"div", "fmod", "remainder", "floor_divide", "pow", "bitwise_left_shift",
                  "bitwise_right_shift"}
SHAPES = [((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 1)), ((2, 3), ()), ((), ()), ((0, 3), (3,)),
          ((1,), (2, 0))]


def unary(f):
    for name, (fn, low, high) in UNARY.items():
        def draw(shape, dtype, layout="c"):
            return lambda g: [In(g.uniform(shape, dtype, low, high) if dtype in FLOATS
                                 else g.any(shape, dtype), layout)]
        for dtype in FLOATS:
            f.case(f"{name}.{dtype}", name, fn, draw((2, 3), dtype))
        f.case(f"{name}.0d", name, fn, draw((), "f32"))
        f.case(f"{name}.empty", name, fn, draw((2, 0), "f32"))
        f.case(f"{name}.long", name, fn, draw((19,), "f32"))
        f.case(f"{name}.transposed", name, fn, draw((3, 4), "f32", "t"))
        f.case(f"{name}.stepped", name, fn, draw((2, 5), "f64", "s"))
        f.case(f"{name}.offset", name, fn, draw((5,), "f32", "o"))
        f.case(f"{name}.special", name, fn, [In(torch.tensor(SPECIAL))], grad=False)
        for dtype in ("i64", "i32", "u8", "bool"):
            f.case(f"{name}.{dtype}", name, fn, draw((5,), dtype))
    for name, extra, fn in WITH_NUMBERS:
        positive = name == "pow" and extra[0] in (0.5, -1.5)
        low = 0.2 if positive else -2
        for dtype in FLOATS:
            f.case(f"{name}{extra}.{dtype}", name, fn,
                   lambda g: [In(g.uniform((2, 4), dtype, low, 2)), *extra], grad=name not in NO_GRADIENT)
        f.case(f"{name}{extra}.transposed", name, fn,
               lambda g: [In(g.uniform((3, 2), "f32", low, 2), "t"), *extra], grad=name not in NO_GRADIENT)
        f.case(f"{name}{extra}.special", name, fn, [In(torch.tensor(SPECIAL)), *extra], grad=False)
        for dtype in ("i32", "u8", "bool"):
            f.case(f"{name}{extra}.{dtype}", name, fn, lambda g: [In(g.any((5,), dtype)), *extra], grad=name not in NO_GRADIENT)
    for dim in (-1, 0):
        for dtype in ("f32", "f64"):
            f.case(f"glu.{dim}.{dtype}", "glu", F.glu,
                   lambda g: [In(g.uniform((4, 6), dtype), "t"), dim])


def right(g, name, shape, dtype):
    if name not in POSITIVE_RIGHT or dtype == "bool":
        return g.any(shape, dtype)
    if dtype in FLOATS:
        return g.uniform(shape, dtype, 0.4, 2)
    return g.integers(shape, dtype, 1, 5)


def left(g, name, shape, dtype):
    return g.uniform(shape, dtype, 0.3, 2) if name == "pow" and dtype in FLOATS else g.any(shape, dtype)


def binary(f):
    for name, fn in BINARY.items():
        grad = name not in NO_GRADIENT
        own = "i64" if name in BITWISE else "f32"
        for a, b in SHAPES:
            f.case(f"{name}.{list(a)}.{list(b)}", name, fn,
                   lambda g: [In(left(g, name, a, own)), In(right(g, name, b, own))], grad=grad)
        for dtype in ALL:
            f.case(f"{name}.{dtype}", name, fn,
                   lambda g: [In(left(g, name, (4,), dtype)), In(right(g, name, (4,), dtype))], grad=grad)
        f.case(f"{name}.strided", name, fn,
               lambda g: [In(left(g, name, (3, 4), own), "t"), In(right(g, name, (3, 4), own), "s")], grad=grad)
        f.case(f"{name}.expanded", name, fn,
               lambda g: [In(left(g, name, (1, 4), own).expand(3, 4), "e"),
                          In(right(g, name, (3, 4), own))], grad=grad)
        if own == "f32":
            pairs = [(x, y) for x in (0.0, -1.0, 2.5, float("inf"), float("-inf"), float("nan"))
                     for y in (0.0, -0.0, 1.0, -1.5, float("inf"), float("-inf"), float("nan"))]
            a, b = torch.tensor(pairs).T.contiguous()
            f.case(f"{name}.special", name, fn, [In(a), In(b)], grad=False)
    # Promotion: every pair of dtypes, and arrays against 0-d arrays.
    for name in ("add", "mul", "div", "lt", "maximum"):
        for a in ALL:
            for b in ALL:
                if a == b:
                    continue
                f.case(f"{name}.{a}.{b}", name, BINARY[name],
                       lambda g: [In(g.any((3,), a)), In(right(g, name, (3,), b))])
                if name == "add":
                    f.case(f"{name}.{a}.{b}.0d", name, BINARY[name],
                           lambda g: [In(g.any((3,), a)), In(g.any((), b))])


def lerp_and_where(f):
    for dtype in FLOATS:
        f.case(f"lerp.number.{dtype}", "lerp", torch.lerp,
               lambda g: [In(g.uniform((2, 3), dtype)), In(g.uniform((3,), dtype)), 0.3])
        f.case(f"lerp.tensor.{dtype}", "lerp", torch.lerp,
               lambda g: [In(g.uniform((2, 3), dtype)), In(g.uniform((2, 3), dtype)),
                          In(g.uniform((3,), dtype, 0, 1))])
        f.case(f"where.{dtype}", "where", torch.where,
               lambda g: [In(g.any((2, 1, 3), "bool")), In(g.uniform((2, 3), dtype)),
                          In(g.uniform((3,), dtype))])
    for a, b in (("f32", "f64"), ("i32", "f32"), ("bool", "u8"), ("i64", "i64"), ("bf16", "f16")):
        f.case(f"where.{a}.{b}", "where", torch.where,
               lambda g: [In(g.any((2, 3), "bool"), "t"), In(g.any((2, 3), a)), In(g.any((), b))])


IN_PLACE = {
    "add_": torch.Tensor.add_, "sub_": torch.Tensor.sub_, "mul_": torch.Tensor.mul_,
    "div_": torch.Tensor.div_,
}
IN_PLACE_UNARY = {
    "neg_": torch.Tensor.neg_, "exp_": torch.Tensor.exp_, "sqrt_": torch.Tensor.sqrt_,
    "tanh_": torch.Tensor.tanh_, "sigmoid_": torch.Tensor.sigmoid_, "relu_": torch.Tensor.relu_,
    "abs_": torch.Tensor.abs_, "zero_": torch.Tensor.zero_,
}


def in_place(f):
    """The first operand is a copy (x * 1) of the input, since a leaf cannot be written to."""
    for name, fn in IN_PLACE.items():
        for a, b in (("f32", "f32"), ("f64", "f32"), ("bf16", "f32"), ("f32", "i32"), ("i64", "u8")):
            f.case(f"{name}.{a}.{b}", name, lambda x, y, fn=fn: fn(x * 1, y),
                   lambda g: [In(g.any((2, 3), a)), In(right(g, "div", (3,), b))])
        f.case(f"{name}.number", name, lambda x, y, fn=fn: fn(x * 1, y),
               lambda g: [In(g.any((2, 3))), 2.5])
    for name, fn in IN_PLACE_UNARY.items():
        for dtype in ("f32", "f64"):
            f.case(f"{name}.{dtype}", name, lambda x, fn=fn: fn(x * 1),
                   lambda g: [In(g.uniform((2, 3), dtype, 0.1, 2))])
    f.case("fill_.f32", "fill_", lambda x, v: (x * 1).fill_(v), lambda g: [In(g.any((2, 3))), 1.5])
    f.case("clamp_.f32", "clamp_", lambda x, a, b: (x * 1).clamp_(a, b),
           lambda g: [In(g.any((7,))), -0.5, 0.5])


def casts(f):
    for a in ALL:
        for b in ALL:
            f.case(f"to.{a}.{b}", "to", torch.Tensor.to,
                   lambda g: [In(g.any((5,), a).abs() if b == "u8" and a != "bool" else g.any((5,), a)),
                              DTypeArg(b)])
    for b in ("f16", "bf16", "f64", "bool"):
        f.case(f"to.special.{b}", "to", torch.Tensor.to,
               [In(torch.tensor(SPECIAL + [65504.0, 65519.0, 65520.0, 1e-8, 6e-8])), DTypeArg(b)],
               grad=False)


def creation(f):
    def dtyped(name, fn, sets):
        for args in sets:
            for dtype in ("f32", "f64", "bf16", "i64", "i32"):
                f.case(f"{name}.{list(args)}.{dtype}", name,
                       lambda *a, fn=fn: fn(*a[:-1], dtype=a[-1]), [*args, DTypeArg(dtype)])
    dtyped("arange", torch.arange, [(0, 5, 1), (2, 11, 3), (5, -4, -2), (3, 3, 1)])
    dtyped("linspace", torch.linspace, [(0.0, 1.0, 5), (-2.0, 3.0, 1), (4.0, -4.0, 9), (0.0, 1.0, 0)])
    for args in ((0.0, 2.0, 5, 10.0), (-1.0, 1.0, 3, 2.0), (0.0, 1.0, 1, 10.0)):
        for dtype in ("f32", "f64"):
            f.case(f"logspace.{list(args)}.{dtype}", "logspace",
                   lambda *a: torch.logspace(*a[:-1], dtype=a[-1]), [*args, DTypeArg(dtype)])
    for args in ((3, 3), (2, 4), (4, 2), (0, 3)):
        for dtype in ("f32", "i64", "bool"):
            f.case(f"eye.{list(args)}.{dtype}", "eye", lambda *a: torch.eye(*a[:-1], dtype=a[-1]),
                   [*args, DTypeArg(dtype)])
    f.case("arange.fraction", "arange", lambda *a: torch.arange(*a[:-1], dtype=a[-1]),
           [0.5, 3.0, 0.75, DTypeArg("f32")])


FAMILIES = {"unary": unary, "binary": binary, "where": lerp_and_where, "in_place": in_place,
            "cast": casts, "creation": creation}
