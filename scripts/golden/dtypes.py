"""Integers where others take floats, and dtypes that differ from input to input."""

import torch
import torch.nn.functional as F

from cases import In

INTEGERS = ["i64", "i32", "u8", "bool"]
MIXED = [("f32", "f64"), ("f64", "f32"), ("bf16", "f32"), ("f32", "bf16"), ("bf16", "f16"), ("f16", "f64")]
REDUCTIONS = ("none", "sum", "mean")


def losses(f):
    names = ("mse_loss", "l1_loss", "smooth_l1_loss")
    for op in names:
        fn = getattr(F, op)
        def case(reduction, a, b):
            f.case(f"{op}.{reduction}.{a}.{b}", op, lambda x, t, r: fn(x, t, reduction=r),
                   lambda g: [In(g.any((3, 4), a), "t"), In(g.any((3, 4), b)), reduction])
        for reduction in REDUCTIONS:
            for integer in INTEGERS:
                for floating in ("f32", "f64", "bf16"):
                    case(reduction, floating, integer)
                    case(reduction, integer, floating)
                case(reduction, integer, "i64")
                case(reduction, integer, integer)
            for a, b in MIXED:
                case(reduction, a, b)
    for reduction in REDUCTIONS:
        for a in ("f32", "f64", "bf16"):
            for b in INTEGERS + ["f64", "f32"]:
                f.case(f"huber_loss.{reduction}.{a}.{b}", "huber_loss",
                       lambda x, t, r, d: F.huber_loss(x, t, r, d),
                       lambda g: [In(g.any((3, 4), a), "c", False), In(g.any((3, 4), b), "t", False), reduction, 1.5])
        # PyTorch takes logarithms in the operand's own dtype: pairs where that is the lower one differ.
        for op, fn, pairs in (("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits,
                               [("f64", "f32"), ("f32", "bf16"), ("bf16", "f16")]),
                              ("kl_div", F.kl_div, [("f32", "f64"), ("bf16", "f32"), ("f16", "f64")])):
            for a, b in pairs:
                f.case(f"{op}.{reduction}.{a}.{b}", op, lambda x, t, r: fn(x, t, reduction=r),
                       lambda g: [In(g.uniform((3, 4), a), "t"), In(g.uniform((3, 4), b, 0.1, 1)), reduction])


    for reduction in REDUCTIONS:
        for a, b in (("f64", "f32"), ("f32", "bf16"), ("f32", "f16")):
            f.case(f"cross_entropy.probabilities.{reduction}.{a}.{b}", "cross_entropy",
                   lambda x, t, w, i, r, s: F.cross_entropy(x, t, w, ignore_index=i, reduction=r, label_smoothing=s),
                   lambda g: [In(g.uniform((3, 4), a), "t"), In(g.uniform((3, 4), b, 0.1, 1)), None, -100, reduction,
                              0.0])


def networks(f):
    for dtype in ("i64", "i32", "u8"):
        for numbers in (([1], [0], [1], 1), ([2, 1], [1, 2], [1, 2], 2)):
            for bias in (True, False):
                f.case(f"conv2d.{numbers}.{bias}.{dtype}", "conv2d", F.conv2d,
                       lambda g: [In(g.any((2, 4, 5, 6), dtype), "t"), In(g.any((6, 4 // numbers[3], 3, 2), dtype)),
                                  In(g.any((6,), dtype)) if bias else None, *numbers])
        f.case(f"conv1d.{dtype}", "conv1d", F.conv1d,
               lambda g: [In(g.any((2, 4, 8), dtype)), In(g.any((2, 2, 3), dtype), "t"), None, 2, 1, 1, 2])
        for numbers in (([1], [0], [0], 1, [1]), ([2, 3], [1, 0], [1], 2, [1, 2])):
            f.case(f"conv_transpose2d.{numbers}.{dtype}", "conv_transpose2d", F.conv_transpose2d,
                   lambda g: [In(g.any((2, 4, 3, 4), dtype), "t"), In(g.any((4, 2, 3, 2), dtype)),
                              In(g.any((2 * numbers[3],), dtype)), *numbers])
        for numbers in (([2], [], [0], [1], False), ([3, 2], [2], [1], [1, 2], True)):
            f.case(f"max_pool2d.{numbers}.{dtype}", "max_pool2d",
                   lambda x, k, s, p, d, c: F.max_pool2d(x, k, s or None, p, d, c, return_indices=True),
                   lambda g: [In(g.distinct((1, 2, 5, 6), dtype), "t"), *numbers])
        for numbers in (([2], [], [0], False, True), ([3, 2], [2, 1], [1], True, False), ([3], [2], [1], True, True)):
            f.case(f"avg_pool2d.{numbers}.{dtype}", "avg_pool2d",
                   lambda x, k, s, p, c, n: F.avg_pool2d(x, k, s or None, p, c, n),
                   lambda g: [In(g.integers((1, 2, 5, 6), dtype, -9 if dtype != "u8" else 0, 9), "t"), *numbers])
        f.case(f"avg_pool1d.{dtype}", "avg_pool1d", F.avg_pool1d,
               lambda g: [In(g.integers((2, 3, 7), dtype, -9 if dtype != "u8" else 0, 9)), 3, 2, 1, False, True])
        f.case(f"avg_pool2d.divisor.{dtype}", "avg_pool2d_divisor",
               lambda x, k, s, p, c, n, d: F.avg_pool2d(x, k, s or None, p, c, n, d),
               lambda g: [In(g.integers((1, 2, 5, 6), dtype, 0, 9)), [2], [], [0], False, True, 3])
        for low, high in ((-1.0, 1.0), (0.5, 2.5), (0.0, 3.0)):
            f.case(f"hardtanh.{low}.{high}.{dtype}", "hardtanh", F.hardtanh,
                   lambda g: [In(g.any((3, 4), dtype), "t"), low, high])
        f.case(f"softsign.{dtype}", "softsign", F.softsign, lambda g: [In(g.any((3, 4), dtype), "t")])
    for dtype in INTEGERS:
        f.case(f"dropout.off.{dtype}", "dropout_off", lambda x, p: F.dropout(x, p, False),
               lambda g: [In(g.any((3, 4), dtype)), 0.5])
        f.case(f"embedding.{dtype}", "embedding", lambda t, i: F.embedding(i, t),
               lambda g: [In(g.any((4, 3), dtype), "t"), In(g.integers((2, 2), "i32", 0, 4))])
        for mode in ("reflect", "replicate", "circular", "constant"):
            f.case(f"pad.{mode}.{dtype}", "pad", lambda x, p, m, v: F.pad(x, p, m),
                   lambda g: [In(g.any((1, 2, 5), dtype), "t"), [1, 2], mode, 0.0])
    for a, b in (("f64", "f32"), ("bf16", "f32"), ("f32", "bf16"), ("bf16", "f16"), ("f32", "i64"), ("bf16", "i32"),
                 ("f64", "bool")):
        f.case(f"rms_norm.{a}.{b}", "rms_norm", lambda x, n, w, e: F.rms_norm(x, n, w, e),
               lambda g: [In(g.any((3, 4), a), "t"), [4], In(g.any((4,), b)), 1e-3])
    for a, b in (("f64", "f32"), ("bf16", "f32"), ("f16", "f32"), ("f32", "bool")):
        f.case(f"attention.mask.{a}.{b}", "scaled_dot_product_attention",
               lambda q, k, v, m, c, e: F.scaled_dot_product_attention(q, k, v, m, 0.0, c, enable_gqa=e),
               lambda g: [In(g.uniform((1, 2, 3, 4), a)), In(g.uniform((1, 2, 3, 4), a)), In(g.uniform((1, 2, 3, 4), a)),
                          In(torch.cat([torch.ones(3, 1), g.any((3, 2), "bool").float()], 1).to(
                              torch.bool if b == "bool" else torch.float32), "c", False), False, False])


def images(f):
    for shape in ((1, 2, 4, 5), (2, 6, 3, 7)):
        for mode in ("nearest", "nearest_exact", "bilinear", "bicubic"):
            for align in ((False, True) if mode.startswith("bi") else (False,)):
                for size in ([5, 6], [2, 3], [8, 5], [4, 9], [7, 14]):
                    for antialias in ((False, True) if mode.startswith("bi") else (False,)):
                        f.case(f"interpolate.{mode}.{list(shape)}.{size}.{align}.{antialias}.u8", "interpolate_full",
                               lambda x, s, m, a, aa: F.interpolate(
                                   x, tuple(s), mode=m.replace("_", "-"),
                                   align_corners=a if m.startswith("bi") else None, antialias=aa),
                               lambda g: [In(g.integers(shape, "u8", 0, 256), "t"), size, mode, align, antialias])
    for shape, size in (((1, 2, 5), [8]), ((1, 2, 2, 3, 4), [3, 5, 6])):
        for mode in ("nearest", "nearest_exact"):
            f.case(f"interpolate.{mode}.{list(shape)}.{size}.u8", "interpolate_full",
                   lambda x, s, m, a, aa: F.interpolate(x, tuple(s), mode=m.replace("_", "-")),
                   lambda g: [In(g.integers(shape, "u8", 0, 256)), size, mode, False, False])


def pairs(f):
    every = ["f32", "f64", "bf16", "f16", "i64", "i32", "u8", "bool"]
    for a in every:
        for b in every:
            if a == b:
                continue
            for op, fn in (("outer", torch.outer), ("kron", torch.kron)):
                f.case(f"{op}.{a}.{b}", op, fn, lambda g: [In(g.any((3,), a)), In(g.any((2,), b))])
            f.case(f"clamp.tensors.{a}.{b}", "clamp_tensors", torch.clamp,
                   lambda g: [In(g.any((3, 4), a), "t"), In(g.any((4,), b)), None])
            f.case(f"stack.{a}.{b}", "stack", lambda x, d: torch.stack(x, d),
                   lambda g: [[In(g.any((2, 3), a)), In(g.any((2, 3), b), "t")], 1])


FAMILIES = {"loss_dtypes": losses, "network_dtypes": networks, "image_dtypes": images, "pair_dtypes": pairs}
