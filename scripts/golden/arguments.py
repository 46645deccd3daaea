"""Arguments beyond the usual ones: reductions and weights of losses, alpha, named padding, indices of
pools, scale factors, orders and so on, and inputs without a batch."""

import torch
import torch.nn.functional as F

from cases import DTypeArg, In

FLOATS = ["f32", "f64", "bf16", "f16"]
SOME = ["f32", "f64", "bf16"]
REDUCTIONS = ("none", "sum", "mean")


def loss_weights(f):
    for reduction in REDUCTIONS:
        for dtype, layout in (("f32", "c"), ("f64", "t"), ("bf16", "c"), ("f16", "s")):
            for op in ("mse_loss", "l1_loss"):
                fn = getattr(F, op)
                f.case(f"{op}.weight.{reduction}.{dtype}", f"{op}_weighted",
                       lambda x, t, r, w: fn(x, t, reduction=r, weight=w),
                       lambda g: [In(g.uniform((3, 4), dtype), layout), In(g.uniform((3, 4), dtype)), reduction,
                                  In(g.uniform((3, 4), dtype, 0.2, 2), layout)])
            f.case(f"huber_loss.weight.{reduction}.{dtype}", "huber_loss_weighted",
                   lambda x, t, r, d, w: F.huber_loss(x, t, r, d, w),
                   lambda g: [In(g.uniform((3, 4), dtype), layout), In(g.uniform((3, 4), dtype), "c", False),
                              reduction, 1.5, In(g.uniform((3, 4), dtype, 0.2, 2))])
        for dtypes in (("i64", "i32", "f32"), ("u8", "u8", "f64"), ("i64", "i64", "i32"), ("f32", "i64", "f64")):
            for op in ("mse_loss", "l1_loss"):
                fn = getattr(F, op)
                f.case(f"{op}.weight.{reduction}.{'.'.join(dtypes)}", f"{op}_weighted",
                       lambda x, t, r, w: fn(x, t, reduction=r, weight=w),
                       lambda g: [In(g.any((3, 2), dtypes[0])), In(g.any((3, 2), dtypes[1])), reduction,
                                  In(g.integers((3, 2), dtypes[2], 1, 5))])


def alpha(f):
    pairs = [("f32", "f32"), ("f64", "f64"), ("bf16", "bf16"), ("f16", "f16"), ("f64", "f32"), ("bf16", "f32"),
             ("f32", "i64"), ("i64", "f32")]
    for op in ("add", "sub"):
        fn = getattr(torch, op)
        for a, b in pairs:
            for value in (2, -0.5):
                f.case(f"{op}.alpha.{a}.{b}.{value}", f"{op}_alpha", lambda x, y, c: fn(x, y, alpha=c),
                       lambda g: [In(g.any((2, 3), a), "t"), In(g.any((3,), b)), value])
        for a, b in (("i64", "i64"), ("i32", "u8"), ("u8", "u8"), ("bool", "bool"), ("i64", "bool")):
            f.case(f"{op}.alpha.{a}.{b}", f"{op}_alpha", lambda x, y, c: fn(x, y, alpha=c),
                   lambda g: [In(g.any((2, 3), a)), In(g.any((2, 1), b)), 3])
        for dtype in ("f32", "bf16", "i64", "u8"):
            for number, value in ((2, 3), (1.5, 2)):
                f.case(f"{op}.alpha.{dtype}.number.{number}", f"{op}_alpha", lambda x, y, c: fn(x, y, alpha=c),
                       lambda g: [In(g.any((2, 3), dtype)), number, value])
    for dtype in FLOATS + ["i64", "i32", "bool"]:
        for dim, shape in ((0, (5, 4)), (1, (3, 5))):
            f.case(f"index_add.alpha.{dim}.{dtype}", "index_add_alpha",
                   lambda x, d, i, s, c: torch.index_add(x, d, i, s, alpha=c),
                   lambda g: [In(g.any((3, 4), dtype), "t"), dim, In(g.integers((5,), "i64", 0, 3)),
                              In(g.any(shape, dtype)), 2])


def bounds(f):
    for dtype in ("f32", "f64", "i64", "i32", "u8", "bf16"):
        for number in (3, 0.75):
            f.case(f"remainder.number.{number}.{dtype}", "remainder_number", lambda c, x: torch.remainder(c, x),
                   lambda g: [number, In(g.integers((2, 4), dtype, 1, 6), "t", False)])
            f.case(f"floor_divide.number.{number}.{dtype}", "floor_divide_number",
                   lambda c, x: torch.floor_divide(c, x),
                   lambda g: [number, In(g.integers((2, 4), dtype, 1, 6), "c", False)])
        for high in (0.5, 1):
            f.case(f"clamp.tensor_number.{high}.{dtype}", "clamp_tensor_number",
                   lambda x, low, c: torch.clamp(torch.clamp(x, low), max=c),
                   lambda g: [In(g.any((3, 4), dtype), "t"), In(g.any((4,), dtype)), high])
            f.case(f"clamp.number_tensor.{high}.{dtype}", "clamp_number_tensor",
                   lambda x, c, top: torch.clamp(torch.clamp(x, min=c), max=top),
                   lambda g: [In(g.any((3, 4), dtype), "t"), high, In(g.any((3, 1), dtype))])
    for a, b in (("f32", "f32"), ("f64", "i64"), ("i64", "i32"), ("bool", "u8")):
        def pair(g):
            return In(torch.tensor(1).to(g.any((), a).dtype)), In(torch.tensor(3).to(g.any((), b).dtype))
        for dtype in ("f32", "f64", "i64"):
            f.case(f"linspace.tensors.{a}.{b}.{dtype}", "linspace_tensors",
                   lambda x, y, n, d: torch.linspace(x, y, n, dtype=d),
                   lambda g: [*pair(g), 5, DTypeArg(dtype)], grad=False)
            f.case(f"logspace.tensors.{a}.{b}.{dtype}", "logspace_tensors",
                   lambda x, y, n, c, d: torch.logspace(x, y, n, c, dtype=d),
                   lambda g: [*pair(g), 3, 2.0, DTypeArg(dtype)], grad=False)


def order(f):
    edges = lambda g, shape, dtype: torch.sort(g.integers(shape, "i64", 0, 9).to(g.any((1,), dtype).dtype))[0]
    for a, b in (("f32", "f32"), ("i64", "f32"), ("f32", "i64"), ("i32", "i64"), ("u8", "i32"), ("f32", "f64"),
                 ("bf16", "f32"), ("i64", "bf16")):
        for right in (False, True):
            for narrow in (False, True):
                f.case(f"searchsorted.{a}.{b}.{right}.{narrow}", "searchsorted_full",
                       lambda s, v, r, n, o: torch.searchsorted(s, v, right=r, out_int32=n, sorter=o),
                       lambda g: [In(edges(g, (5,), a), "c", False), In(g.integers((2, 3), b, 0, 9), "c", False),
                                  right, narrow, None], grad=False)
    for dtype in ("f32", "i64", "u8"):
        def unsorted(g, shape):
            x = g.distinct(shape, dtype)
            return [In(x), In(torch.argsort(x))]
        for shape in ((6,), (2, 4)):
            def draw(g):
                x, sorter = unsorted(g, shape)
                return [x, In(g.any((2, 3), dtype)), False, False, sorter]
            f.case(f"searchsorted.sorter.{list(shape)}.{dtype}", "searchsorted_full",
                   lambda s, v, r, n, o: torch.searchsorted(s, v, right=r, out_int32=n, sorter=o), draw, grad=False)
        for number in (3, 2.5):
            f.case(f"searchsorted.number.{number}.{dtype}", "searchsorted_full",
                   lambda s, v, r, n, o: torch.searchsorted(s, v, right=r, out_int32=n, sorter=o),
                   lambda g: [In(edges(g, (5,), dtype)), number, True, True, None], grad=False)
    for dtype in ("f32", "i64", "u8", "bool", "bf16"):
        for shape in ((6, 2), (2, 7), (3, 2, 4), (5,), (0, 3)):
            for dim in range(-1, len(shape) - 1):
                f.case(f"unique.{list(shape)}.{dim}.{dtype}", "unique_dim",
                       lambda x, d: torch.unique(x, return_inverse=True, return_counts=True, dim=d),
                       lambda g: [In(g.integers(shape, "i64", 0, 2).to(g.any((1,), dtype).dtype), "t"), dim],
                       grad=False)
    for dtype in ("f32", "bool", "i64"):
        for shape in ((3, 4), (5,), (2, 2, 3), ()):
            f.case(f"nonzero.tuple.{list(shape)}.{dtype}", "nonzero_tuple",
                   lambda x: torch.nonzero(x, as_tuple=True),
                   lambda g: [In(g.integers(shape, "i64", 0, 2).to(g.any((1,), dtype).dtype), "t")], grad=False)


def by_index(f):
    for dtype in FLOATS + ["i64", "u8", "bool"]:
        f.case(f"take_along_dim.flat.{dtype}", "take_along_dim_flat", torch.take_along_dim,
               lambda g: [In(g.any((3, 4), dtype)), In(g.integers((2, 3), "i64", 0, 12))])
        for reduce in ("add", "multiply"):
            for dim in (0, 1):
                f.case(f"scatter.{reduce}.{dim}.{dtype}", "scatter_reduced",
                       lambda x, d, i, s, r: torch.scatter(x, d, i, s, reduce=r),
                       lambda g: [In(g.any((3, 4), dtype), "t"), dim, In(g.integers((2, 3), "i64", 0, 3)),
                                  In(g.any((2, 3), dtype)), reduce], grad=False)
                f.case(f"scatter.{reduce}.number.{dim}.{dtype}", "scatter_reduced",
                       lambda x, d, i, s, r: torch.scatter(x, d, i, s, reduce=r),
                       lambda g: [In(g.any((3, 4), dtype)), dim, In(g.integers((2, 3), "i64", 0, 3)), 2, reduce],
                       grad=False)
    for dtype in SOME:
        for norm_type in (2.0, 1.0):
            def renormalized(t, i, p, m, n, s):
                # A copy: the table itself is changed.
                y = t * 1
                return F.embedding(i, y, p, m, n, s), y
            f.case(f"embedding.max_norm.{norm_type}.{dtype}", "embedding_full", renormalized,
                   lambda g: [In(g.any((5, 3), dtype)), In(g.integers((2, 3), "i64", 0, 5)), None, 1.5, norm_type,
                              False], grad=False)
        f.case(f"embedding.by_frequency.{dtype}", "embedding_by_frequency",
               lambda t, i, p: F.embedding(i, t, p, scale_grad_by_freq=True),
               lambda g: [In(g.any((5, 3), dtype), "t"), In(g.integers((2, 4), "i64", 0, 3)), 1])
    for dtype in FLOATS + ["i64"]:
        for shape in ((3,), (2, 3), (2, 2, 3)):
            f.case(f"linear.vector.{list(shape)}.{dtype}", "linear", lambda x, w, b: F.linear(x, w, b),
                   lambda g: [In(g.any(shape, dtype), "t"), In(g.any((3,), dtype)), None])
        for bias in ((), (1,)):
            f.case(f"linear.one_bias.{list(bias)}.{dtype}", "linear", lambda x, w, b: F.linear(x, w, b),
                   lambda g: [In(g.any((2, 3), dtype)), In(g.any((4, 3), dtype)), In(g.any(bias, dtype))])


def padding(f):
    for mode in ("reflect", "replicate", "circular"):
        for pad in ([-1, 2], [2, -1], [-2, -1], [-2, 1], [1, -3]):
            for dtype, layout in (("f32", "c"), ("f64", "t"), ("bf16", "c"), ("i64", "c"), ("u8", "c")):
                f.case(f"pad.{mode}.{pad}.{dtype}", "pad", lambda x, p, m, v: F.pad(x, p, m),
                       lambda g: [In(g.any((1, 2, 5), dtype), layout), pad, mode, 0.0])
        for pad in ([-1, 2, 1, -1], [1, 0, -2, 1], [-1, -1, -1, -1]):
            for dtype in ("f32", "f64"):
                f.case(f"pad.{mode}.{pad}.{dtype}", "pad", lambda x, p, m, v: F.pad(x, p, m),
                       lambda g: [In(g.any((1, 2, 4, 5), dtype), "t"), pad, mode, 0.0])
    for word in ("valid", "same"):
        for dtype in SOME + ["f16", "i64"]:
            for kernel, dilation, groups in (([3, 3], [1], 1), ([2, 4], [1, 2], 2), ([1, 2], [3], 1)):
                f.case(f"conv2d.{word}.{kernel}.{dilation}.{groups}.{dtype}", "conv2d_padded",
                       lambda x, w, b, s, p, d, n: F.conv2d(x, w, b, s, p, d, n),
                       lambda g: [In(g.any((2, 4, 5, 7), dtype), "t" if dtype == "f64" else "c"),
                                  In(g.any((4, 4 // groups, *kernel), dtype)), In(g.any((4,), dtype)), [1], word,
                                  dilation, groups])
            for kernel, dilation in ((2, 3), (3, 1), (4, 1)):
                f.case(f"conv1d.{word}.{kernel}.{dilation}.{dtype}", "conv1d_padded",
                       lambda x, w, b, s, p, d, n: F.conv1d(x, w, b, s, p, d, n),
                       lambda g: [In(g.any((2, 3, 10), dtype)), In(g.any((2, 3, kernel), dtype)), None, 1, word,
                                  dilation, 1])
    f.case("conv2d.valid.strided", "conv2d_padded", lambda x, w, b, s, p, d, n: F.conv2d(x, w, b, s, p, d, n),
           lambda g: [In(g.any((1, 2, 6, 7))), In(g.any((3, 2, 3, 3))), None, [2], "valid", [1], 1])


def without_batch(f):
    for dtype in SOME + ["f16"]:
        for bias in (True, False):
            f.case(f"conv2d.one.{bias}.{dtype}", "conv2d", F.conv2d,
                   lambda g: [In(g.any((3, 5, 4), dtype), "t"), In(g.any((2, 3, 3, 2), dtype)),
                              In(g.any((2,), dtype)) if bias else None, [1], [1], [1], 1])
            f.case(f"conv1d.one.{bias}.{dtype}", "conv1d", F.conv1d,
                   lambda g: [In(g.any((3, 7), dtype)), In(g.any((2, 3, 3), dtype)),
                              In(g.any((2,), dtype)) if bias else None, 2, 1, 1, 1])
        f.case(f"conv2d.one.same.{dtype}", "conv2d_padded", F.conv2d,
               lambda g: [In(g.any((3, 5, 4), dtype)), In(g.any((2, 3, 2, 3), dtype)), None, [1], "same", [1], 1])
        f.case(f"conv_transpose2d.one.{dtype}", "conv_transpose2d", F.conv_transpose2d,
               lambda g: [In(g.any((2, 3, 4), dtype)), In(g.any((2, 3, 3, 2), dtype)), In(g.any((3,), dtype)), [2],
                          [1], [1], 1, [1]])
        f.case(f"max_pool2d.one.{dtype}", "max_pool2d",
               lambda x, k, s, p, d, c: F.max_pool2d(x, k, s or None, p, d, c, return_indices=True),
               lambda g: [In(g.distinct((2, 5, 6), dtype), "t"), [2, 3], [2], [1], [1], True])
        f.case(f"max_pool1d.one.{dtype}", "max_pool1d", F.max_pool1d,
               lambda g: [In(g.distinct((3, 7), dtype)), 3, 2, 1, 1, False])
        f.case(f"avg_pool2d.one.{dtype}", "avg_pool2d", lambda x, k, s, p, c, n: F.avg_pool2d(x, k, s or None, p, c, n),
               lambda g: [In(g.any((2, 5, 6), dtype), "t"), [2, 3], [2], [1], True, False])
        f.case(f"avg_pool1d.one.{dtype}", "avg_pool1d", F.avg_pool1d,
               lambda g: [In(g.any((3, 7), dtype)), 3, 2, 1, False, True])
        f.case(f"adaptive_avg_pool2d.one.{dtype}", "adaptive_avg_pool2d", F.adaptive_avg_pool2d,
               lambda g: [In(g.any((2, 5, 6), dtype)), [2, 3]])
        f.case(f"adaptive_avg_pool1d.one.{dtype}", "adaptive_avg_pool1d", F.adaptive_avg_pool1d,
               lambda g: [In(g.any((3, 7), dtype)), 3])
        f.case(f"adaptive_max_pool2d.one.{dtype}", "adaptive_max_pool2d", F.adaptive_max_pool2d,
               lambda g: [In(g.distinct((2, 5, 6), dtype), "t"), [2, 3]])
    for dtype in ("f32", "bf16", "i64", "bool"):
        for shape in ((8, 2, 3), (2, 2, 4, 3, 2), (2, 1, 0, 4, 2, 2), (0, 4, 2, 2)):
            f.case(f"pixel_shuffle.{list(shape)}.{dtype}", "pixel_shuffle", F.pixel_shuffle,
                   lambda g: [In(g.any(shape, dtype), "t" if 0 not in shape else "c"), 2], grad=0 not in shape)
        for shape in ((2, 4, 6), (2, 1, 3, 2, 4)):
            f.case(f"pixel_unshuffle.{list(shape)}.{dtype}", "pixel_unshuffle", F.pixel_unshuffle,
                   lambda g: [In(g.any(shape, dtype), "t"), 2])


def pools(f):
    for dtype in SOME + ["f16"]:
        for numbers in ((2, 2, 0, 1, False), (3, 1, 1, 1, True), (2, 1, 0, 2, False)):
            f.case(f"max_pool1d.indices.{numbers}.{dtype}", "max_pool1d_indices",
                   lambda x, k, s, p, d, c: F.max_pool1d(x, k, s, p, d, c, return_indices=True),
                   lambda g: [In(g.distinct((2, 3, 7), dtype), "t"), *numbers])
        for size in ([2, 3], [3], [None, 2], [2, None], [None, None]):
            f.case(f"adaptive_max_pool2d.indices.{size}.{dtype}", "adaptive_max_pool2d_indices",
                   lambda x, s: F.adaptive_max_pool2d(x, s if len(s) == 2 else s[0], return_indices=True),
                   lambda g: [In(g.distinct((2, 2, 5, 6), dtype)), size])
            f.case(f"adaptive_avg_pool2d.{size}.{dtype}", "adaptive_avg_pool2d",
                   lambda x, s: F.adaptive_avg_pool2d(x, s if len(s) == 2 else s[0]),
                   lambda g: [In(g.any((2, 2, 5, 6), dtype), "t"), size])
        for shape in ((2, 3, 7), (3, 7)):
            f.case(f"adaptive_max_pool1d.indices.{list(shape)}.{dtype}", "adaptive_max_pool1d_indices",
                   lambda x, s: F.adaptive_max_pool1d(x, s, return_indices=True),
                   lambda g: [In(g.distinct(shape, dtype)), 3])
        for divisor in (3, -2, 100):
            for padding, ceil in ([0], False), ([1], True):
                f.case(f"avg_pool2d.divisor.{divisor}.{padding}.{dtype}", "avg_pool2d_divisor",
                       lambda x, k, s, p, c, n, d: F.avg_pool2d(x, k, s or None, p, c, n, d),
                       lambda g: [In(g.any((2, 2, 5, 6), dtype), "t"), [2, 3], [2], padding, ceil, True, divisor])


def resized(x, factors, mode, align, recompute, antialias):
    aligned = mode in ("linear", "bilinear", "bicubic", "trilinear")
    return F.interpolate(x, scale_factor=factors[0] if len(factors) == 1 else tuple(factors),
                         mode=mode.replace("_", "-"), align_corners=align if aligned else None,
                         recompute_scale_factor=recompute, antialias=antialias)


def sized(x, size, mode, align, antialias):
    aligned = mode in ("linear", "bilinear", "bicubic", "trilinear")
    return F.interpolate(x, tuple(size), mode=mode.replace("_", "-"), align_corners=align if aligned else None,
                         antialias=antialias)


def interpolate(f):
    shapes = {"linear": [(1, 2, 5)], "bilinear": [(1, 2, 4, 5)], "bicubic": [(1, 2, 4, 5)],
              "trilinear": [(1, 2, 3, 2, 4)]}
    for mode in ("nearest", "nearest_exact", "area", "linear", "bilinear", "bicubic", "trilinear"):
        for shape in shapes.get(mode, [(1, 2, 5), (1, 2, 4, 5), (1, 2, 3, 2, 4)]):
            spatial = len(shape) - 2
            for align in ((False, True) if mode in shapes else (False,)):
                for factors in ([1.7], [0.6], [1.1], [2.0, 0.75, 1.3][:spatial]):
                    for recompute in (False, True):
                        for dtype, layout in (("f32", "c"), ("f64", "t")):
                            if (recompute or factors == [1.1]) and dtype == "f32":
                                continue
                            # Where the sizes stay, PyTorch's gradients of these are not of what it computes.
                            copies = factors == [1.1] and mode in ("nearest", "bicubic") and not recompute
                            f.case(f"interpolate.{mode}.{list(shape)}.{factors}.{align}.{recompute}.{dtype}",
                                   "interpolate_scale", resized,
                                   lambda g: [In(g.uniform(shape, dtype), layout), factors, mode, align, recompute,
                                              False], grad=not copies)
                if spatial == 3 or mode == "nearest_exact":
                    for size in ([5, 3, 2], [2, 1, 6]):
                        for dtype, layout in (("f32", "c"), ("f64", "t"), ("bf16", "c"), ("f16", "c")):
                            f.case(f"interpolate.{mode}.{list(shape)}.{size}.{align}.{dtype}", "interpolate_full",
                                   sized, lambda g: [In(g.uniform(shape, dtype), layout), size[:spatial], mode,
                                                     align, False])
    for mode in ("bilinear", "bicubic"):
        for align in (False, True):
            for size in ([2, 3], [3, 9], [8, 2], [1, 1], [5, 7]):
                for dtype, layout in (("f32", "c"), ("f64", "t")):
                    f.case(f"interpolate.antialias.{mode}.{size}.{align}.{dtype}", "interpolate_full", sized,
                           lambda g: [In(g.uniform((1, 2, 5, 7), dtype), layout), size, mode, align, True])
            for factors in ([0.4], [1.6, 0.7]):
                f.case(f"interpolate.antialias.{mode}.{factors}.{align}", "interpolate_scale", resized,
                       lambda g: [In(g.uniform((1, 2, 5, 7), "f64")), factors, mode, align, False, True])


FAMILIES = {"loss_weights": loss_weights, "alpha": alpha, "bounds": bounds, "order_arguments": order,
            "index_arguments": by_index, "padding": padding, "without_batch": without_batch,
            "pool_arguments": pools, "interpolate": interpolate}
