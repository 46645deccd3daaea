"""What networks are made of: convolution, pooling, normalization, losses, attention."""

import torch
import torch.nn.functional as F

from cases import In

FLOATS = ["f32", "f64", "bf16", "f16"]

# N, C, H, W; O, kernel; stride, padding, dilation, groups
CONV2D = [
    ((1, 1, 4, 4), (1, (3, 3)), [1], [0], [1], 1), ((2, 3, 5, 6), (4, (3, 3)), [1], [1], [1], 1),
    ((2, 4, 6, 5), (6, (3, 2)), [2, 1], [1, 0], [1], 2), ((1, 4, 7, 7), (4, (3, 3)), [1], [2], [2], 4),
    ((2, 3, 4, 4), (2, (1, 1)), [1], [0], [1], 1), ((1, 2, 8, 6), (3, (2, 4)), [3, 2], [1, 2], [2, 1], 1),
    ((1, 3, 4, 4), (8, (4, 4)), [4], [0], [1], 1), ((0, 3, 4, 4), (2, (3, 3)), [1], [1], [1], 1),
    ((1, 16, 5, 5), (16, (3, 3)), [1], [1], [1], 1),
]
CONV1D = [((1, 1, 5), (1, 3), 1, 0, 1, 1), ((2, 3, 8), (4, 3), 2, 1, 1, 1), ((2, 4, 9), (4, 3), 1, 2, 2, 2)]
TRANSPOSED = [((1, 2, 3, 3), 3, (3, 3), [1], [0], [0], 1, [1]), ((2, 4, 3, 4), 2, (3, 2), [2], [1], [1], 2, [1]),
              ((1, 2, 4, 3), 3, (2, 3), [2, 1], [0, 1], [0], 1, [1, 2])]


def conv(f):
    for x, (o, k), *numbers in CONV2D:
        groups = numbers[-1]
        for dtype in FLOATS:
            for bias in (True, False):
                f.case(f"conv2d.{list(x)}.{o}.{list(k)}.{numbers}.{bias}.{dtype}", "conv2d", F.conv2d,
                       lambda g: [In(g.uniform(x, dtype)), In(g.uniform((o, x[1] // groups, *k), dtype)),
                                  In(g.uniform((o,), dtype)) if bias else None, *numbers])
        f.case(f"conv2d.{list(x)}.{o}.{list(k)}.{numbers}.strided", "conv2d", F.conv2d,
               lambda g: [In(g.uniform(x), "t"), In(g.uniform((o, x[1] // groups, *k)), "t"),
                          None, *numbers])
    for x, (o, k), *numbers in CONV1D:
        for dtype in FLOATS:
            f.case(f"conv1d.{list(x)}.{o}.{k}.{numbers}.{dtype}", "conv1d", F.conv1d,
                   lambda g: [In(g.uniform(x, dtype)), In(g.uniform((o, x[1] // numbers[-1], k), dtype)),
                              In(g.uniform((o,), dtype)), *numbers])
    for x, o, k, stride, padding, output_padding, groups, dilation in TRANSPOSED:
        for dtype in ("f32", "f64"):
            f.case(f"conv_transpose2d.{list(x)}.{o}.{list(k)}.{stride}.{groups}.{dtype}",
                   "conv_transpose2d", F.conv_transpose2d,
                   lambda g: [In(g.uniform(x, dtype)), In(g.uniform((x[1], o // groups, *k), dtype)),
                              In(g.uniform((o,), dtype)), stride, padding, output_padding, groups, dilation])


def pool(f):
    x2 = (2, 2, 5, 6)
    for kernel, stride, padding, ceil in (([2], [], [0], False), ([3, 2], [2], [1], False),
                                          ([2, 3], [1, 2], [0, 1], True), ([3], [3], [0], True)):
        for dtype in FLOATS:
            f.case(f"max_pool2d.{kernel}.{stride}.{padding}.{ceil}.{dtype}", "max_pool2d",
                   lambda x, k, s, p, d, c: F.max_pool2d(x, k, s or None, p, d, c, return_indices=True),
                   lambda g: [In(g.distinct(x2, dtype)), kernel, stride, padding, [1], ceil])
            for count in (True, False):
                f.case(f"avg_pool2d.{kernel}.{stride}.{padding}.{ceil}.{count}.{dtype}", "avg_pool2d",
                       lambda x, k, s, p, c, n: F.avg_pool2d(x, k, s or None, p, c, n),
                       lambda g: [In(g.uniform(x2, dtype)), kernel, stride, padding, ceil, count])
    f.case("max_pool2d.dilated", "max_pool2d",
           lambda x, k, s, p, d, c: F.max_pool2d(x, k, s or None, p, d, c, return_indices=True),
           lambda g: [In(g.distinct((1, 2, 6, 6)), "t"), [2], [1], [1], [2], False])
    for numbers in ((2, 2, 0, 1, False), (3, 1, 1, 1, True), (2, 1, 0, 2, False)):
        f.case(f"max_pool1d.{numbers}", "max_pool1d", F.max_pool1d,
               lambda g: [In(g.distinct((2, 3, 7))), *numbers])
    for numbers in ((2, 2, 0, False, True), (3, 2, 1, True, False)):
        f.case(f"avg_pool1d.{numbers}", "avg_pool1d", F.avg_pool1d,
               lambda g: [In(g.uniform((2, 3, 7)), "t"), *numbers])
    for size in ([1, 1], [2, 3], [5, 6], [7, 4]):
        for dtype in FLOATS:
            f.case(f"adaptive_avg_pool2d.{size}.{dtype}", "adaptive_avg_pool2d", F.adaptive_avg_pool2d,
                   lambda g: [In(g.uniform(x2, dtype)), size])
            f.case(f"adaptive_max_pool2d.{size}.{dtype}", "adaptive_max_pool2d", F.adaptive_max_pool2d,
                   lambda g: [In(g.distinct(x2, dtype), "t"), size])
    for size in (1, 3, 5):
        f.case(f"adaptive_avg_pool1d.{size}", "adaptive_avg_pool1d", F.adaptive_avg_pool1d,
               lambda g: [In(g.uniform((2, 2, 7))), size])


def resize(f):
    for mode, shape, sizes in (("nearest", (1, 2, 3, 4), ([6, 8], [2, 5])), ("nearest", (1, 2, 5), ([8],)),
                               ("linear", (1, 2, 5), ([8], [3])), ("bilinear", (1, 2, 3, 4), ([6, 8], [2, 5])),
                               ("bicubic", (1, 2, 4, 4), ([6, 7], [3, 2])), ("area", (1, 2, 4, 6), ([2, 3], [3, 5]))):
        for size in sizes:
            for align in ((False, True) if mode in ("linear", "bilinear", "bicubic") else (False,)):
                for dtype, layout in (("f32", "c"), ("f64", "t")):
                    f.case(f"interpolate.{mode}.{size}.{align}.{dtype}", "interpolate",
                           lambda x, s, m, a: F.interpolate(
                               x, s, mode=m,
                               align_corners=a if m in ("linear", "bilinear", "bicubic") else None),
                           lambda g: [In(g.uniform(shape, dtype), layout), size, mode, align])
    for dtype in ("f32", "bf16", "i64"):
        f.case(f"pixel_shuffle.{dtype}", "pixel_shuffle", F.pixel_shuffle,
               lambda g: [In(g.any((2, 8, 2, 3), dtype)), 2])
        f.case(f"pixel_unshuffle.{dtype}", "pixel_unshuffle", F.pixel_unshuffle,
               lambda g: [In(g.any((2, 2, 4, 6), dtype), "t"), 2])


def norm(f):
    for dtype in FLOATS:
        def affine(g, n):
            return [In(g.uniform((n,), dtype, 0.5, 1.5)), In(g.uniform((n,), dtype))]
        for shape in ((3, 4), (2, 3, 5), (7,), (0, 4)):
            for layout in ("c", "t"):
                f.case(f"layer_norm.{list(shape)}.{dtype}.{layout}", "layer_norm",
                       lambda x, n, w, b, e: F.layer_norm(x, n, w, b, e),
                       lambda g: [In(g.uniform(shape, dtype), layout), [shape[-1]], *affine(g, shape[-1]), 1e-5])
        f.case(f"layer_norm.plain.{dtype}", "layer_norm", lambda x, n, w, b, e: F.layer_norm(x, n, w, b, e),
               lambda g: [In(g.uniform((2, 3, 4), dtype)), [3, 4], None, None, 1e-5])
        f.case(f"rms_norm.{dtype}", "rms_norm", lambda x, n, w, e: F.rms_norm(x, n, w, e),
               lambda g: [In(g.uniform((3, 4), dtype)), [4], In(g.uniform((4,), dtype)), 1e-5])
        f.case(f"rms_norm.plain.{dtype}", "rms_norm", lambda x, n, w, e: F.rms_norm(x, n, w, e),
               lambda g: [In(g.uniform((2, 3, 4), dtype), "t"), [3, 4], None, 1e-3])
        for shape, groups in (((2, 4, 3), 2), ((2, 6, 2, 2), 3), ((1, 4, 3, 2), 4)):
            f.case(f"group_norm.{list(shape)}.{groups}.{dtype}", "group_norm", F.group_norm,
                   lambda g: [In(g.uniform(shape, dtype)), groups, *affine(g, shape[1]), 1e-5])
        for shape in ((2, 3, 4), (2, 3, 2, 3)):
            f.case(f"instance_norm.{list(shape)}.{dtype}", "instance_norm",
                   lambda x, w, b, e: F.instance_norm(x, weight=w, bias=b, eps=e),
                   lambda g: [In(g.uniform(shape, dtype)), *affine(g, 3), 1e-5])
        for shape in ((4, 3), (2, 3, 4), (2, 3, 2, 3)):
            for training in (True, False):
                f.case(f"batch_norm.{list(shape)}.{training}.{dtype}", "batch_norm",
                       lambda x, m, v, w, b, t, mo, e: F.batch_norm(x, m, v, w, b, t, mo, e),
                       lambda g: [In(g.uniform(shape, dtype)), In(g.uniform((3,), dtype), "c", False),
                                  In(g.uniform((3,), dtype, 0.5, 2), "c", False), *affine(g, 3), training, 0.1,
                                  1e-5])


def softmax(f):
    for name, fn in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
        for dtype in FLOATS:
            for dim in (0, 1, -1):
                for layout in ("c", "t"):
                    f.case(f"{name}.{dim}.{dtype}.{layout}", name, fn,
                           lambda g: [In(g.uniform((2, 3, 4), dtype), layout), dim])
        f.case(f"{name}.0d", name, fn, lambda g: [In(g.uniform(())), 0])
        f.case(f"{name}.empty", name, fn, lambda g: [In(g.uniform((0, 3))), 1])
        f.case(f"{name}.empty.dim", name, fn, lambda g: [In(g.uniform((3, 0))), 1])
        f.case(f"{name}.long", name, fn, lambda g: [In(g.uniform((2, 37))), 1])
        f.case(f"{name}.special", name, fn,
               [In(torch.tensor([[1e30, -1e30, 0.0], [float("-inf"), 1.0, 2.0],
                                 [float("nan"), 1.0, 2.0], [float("inf"), 1.0, 2.0]])), 1], grad=False)


def losses(f):
    for reduction in ("none", "sum", "mean"):
        for dtype in ("f32", "f64"):
            for smoothing in (0.0, 0.1):
                for weighted in (False, True):
                    for ignore in (-100, 1):
                        f.case(f"cross_entropy.{reduction}.{dtype}.{smoothing}.{weighted}.{ignore}", "cross_entropy",
                               lambda x, t, w, i, r, s: F.cross_entropy(
                                   x, t, w, ignore_index=i, reduction=r, label_smoothing=s),
                               lambda g: [In(g.uniform((5, 4), dtype)), In(g.integers((5,), "i64", 0, 4)),
                                          In(g.uniform((4,), dtype, 0.5, 2), "c", False) if weighted else None,
                                          ignore, reduction, smoothing])
        for op, fn in (("mse_loss", F.mse_loss), ("l1_loss", F.l1_loss), ("smooth_l1_loss", F.smooth_l1_loss),
                       ("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits)):
            f.case(f"{op}.{reduction}", op, lambda x, y, r, fn=fn: fn(x, y, reduction=r),
                   lambda g: [In(g.uniform((3, 4))), In(g.uniform((3, 4), "f32", 0, 1), "c", False), reduction])
    f.case("cross_entropy.strided", "cross_entropy",
           lambda x, t, w, i, r, s: F.cross_entropy(x, t, w, ignore_index=i, reduction=r, label_smoothing=s),
           lambda g: [In(g.uniform((5, 4)), "t"), In(g.integers((5,), "i64", 0, 4), "s"), None, -100, "mean", 0.0])
    f.case("dropout.off", "dropout_off", lambda x, p: F.dropout(x, p, False), lambda g: [In(g.uniform((3, 4))), 0.5])


def attention(f):
    def sdpa(q, k, v, mask, causal, grouped):
        return F.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, enable_gqa=grouped)
    for dtype in FLOATS:
        for b, h, kv, t, s, d, e in ((1, 1, 1, 3, 3, 2, 2), (2, 2, 2, 4, 4, 3, 3), (1, 4, 2, 3, 5, 4, 4),
                                     (2, 2, 2, 3, 5, 4, 2), (1, 1, 1, 70, 70, 2, 2)):
            for causal in (False, True):
                for masked in (None, "bool", "float"):
                    if (causal and (masked or t != s)) or (t > 9 and masked):
                        continue
                    if dtype in ("bf16", "f16") and t > 9:
                        continue
                    def draw(g):
                        mask = None
                        if masked == "bool":
                            mask = g.any((t, s), "bool")
                            mask[:, 0] = True
                            mask = In(mask)
                        elif masked == "float":
                            mask = In(g.uniform((b, 1, t, s), dtype), "c", False)
                        return [In(g.uniform((b, h, t, d), dtype)), In(g.uniform((b, kv, s, d), dtype), "t"),
                                In(g.uniform((b, kv, s, e), dtype)), mask, causal, h != kv]
                    f.case(f"attention.{[b, h, kv, t, s, d, e]}.{causal}.{masked}.{dtype}",
                           "scaled_dot_product_attention", sdpa, draw)


FAMILIES = {"conv": conv, "pool": pool, "resize": resize, "norm": norm, "softmax": softmax, "loss": losses,
            "attention": attention}
