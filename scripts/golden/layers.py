"""Functions of layers that are made of others: volumes, transposed sequences, bags of rows, responses."""

import torch
import torch.nn.functional as F

from cases import In

SOME = ("f32", "f64")
INF, NAN = float("inf"), float("nan")

# N, C, D, H, W; O, kernel; stride, padding, dilation, groups
CONV3D = [((1, 2, 3, 4, 5), (3, (2, 3, 2)), [1], [0], [1], 1), ((2, 4, 5, 4, 4), (6, (3, 2, 2)), [2, 1, 2], [1, 0, 1], [1], 2),
          ((1, 3, 6, 5, 4), (3, (2, 2, 3)), [1, 2, 1], [2, 1, 2], [3, 1, 2], 3), ((1, 2, 3, 3, 3), (4, (1, 1, 1)), [1], [0], [1], 1)]
# stride, padding, output_padding, groups, dilation
TRANSPOSED = [((1, 2, 3, 2, 3), 3, (2, 3, 2), [1], [0], [0], 1, [1]), ((2, 4, 2, 3, 2), 2, (3, 2, 3), [2], [1], [1], 2, [1]),
              ((1, 2, 3, 2, 2), 3, (2, 2, 3), [1, 2, 1], [1, 0, 2], [2, 1, 0], 1, [3, 2, 2])]
TRANSPOSED1D = [((1, 2, 4), 3, 3, 1, 0, 0, 1, 1), ((2, 4, 5), 2, 4, 3, 2, 1, 2, 1), ((1, 3, 4), 2, 2, 1, 1, 2, 1, 3)]


def convolutions(f):
    for x, (o, k), *numbers in CONV3D:
        for dtype in SOME + ("bf16",):
            bias = dtype != "f64"
            f.case(f"conv3d.{list(x)}.{list(k)}.{numbers}.{dtype}", "conv3d", F.conv3d,
                   lambda g: [In(g.uniform(x, dtype), "t" if bias else "c"),
                              In(g.uniform((o, x[1] // numbers[-1], *k), dtype)),
                              In(g.uniform((o,), dtype)) if bias else None, *numbers], grad=dtype != "bf16")
    for x, o, k, *numbers in TRANSPOSED:
        for dtype in SOME:
            f.case(f"conv_transpose3d.{list(x)}.{list(k)}.{numbers}.{dtype}", "conv_transpose3d", F.conv_transpose3d,
                   lambda g: [In(g.uniform(x, dtype), "t"), In(g.uniform((x[1], o // numbers[3], *k), dtype)),
                              In(g.uniform((o,), dtype)), *numbers])
    for x, o, k, *numbers in TRANSPOSED1D:
        for dtype in SOME:
            f.case(f"conv_transpose1d.{list(x)}.{k}.{numbers}.{dtype}", "conv_transpose1d", F.conv_transpose1d,
                   lambda g: [In(g.uniform(x, dtype), "t"), In(g.uniform((x[1], o // numbers[3], k), dtype)),
                              In(g.uniform((o,), dtype)), *numbers])
    f.case("conv3d.without_batch", "conv3d", F.conv3d,
           lambda g: [In(g.uniform((2, 3, 3, 3))), In(g.uniform((2, 2, 2, 2, 2))), None, [1], [1], [1], 1])
    f.case("conv_transpose3d.without_batch", "conv_transpose3d", F.conv_transpose3d,
           lambda g: [In(g.uniform((2, 3, 3, 3))), In(g.uniform((2, 2, 2, 2, 2))), None, [2], [1], [0], 1, [1]])
    f.case("conv_transpose1d.without_batch", "conv_transpose1d", F.conv_transpose1d,
           lambda g: [In(g.uniform((2, 5))), In(g.uniform((2, 3, 2))), None, 2, 0, 0, 1, 1])


def pools(f):
    shape = (2, 2, 4, 5, 6)
    for kernel, stride, padding, ceil in (([2], [], [0], False), ([3, 2, 2], [2], [1], False),
                                          ([2, 3, 2], [1, 2, 3], [0, 1, 1], True), ([3], [3], [0], True)):
        for dtype in SOME:
            f.case(f"max_pool3d.{kernel}.{stride}.{padding}.{ceil}.{dtype}", "max_pool3d",
                   lambda x, k, s, p, d, c: F.max_pool3d(x, k, s or None, p, d, c, return_indices=True),
                   lambda g: [In(g.distinct(shape, dtype), "t"), kernel, stride, padding, [1], ceil])
            for count in (True, False):
                f.case(f"avg_pool3d.{kernel}.{stride}.{padding}.{ceil}.{count}.{dtype}", "avg_pool3d",
                       lambda x, k, s, p, c, n, v: F.avg_pool3d(x, k, s or None, p, c, n, v),
                       lambda g: [In(g.uniform(shape, dtype), "t"), kernel, stride, padding, ceil, count, None])
    f.case("max_pool3d.dilated", "max_pool3d",
           lambda x, k, s, p, d, c: F.max_pool3d(x, k, s or None, p, d, c, return_indices=True),
           lambda g: [In(g.distinct(shape)), [2], [1], [1, 0, 1], [2, 3, 1], False])
    f.case("max_pool3d.without_batch", "max_pool3d",
           lambda x, k, s, p, d, c: F.max_pool3d(x, k, s or None, p, d, c, return_indices=True),
           lambda g: [In(g.distinct(shape[1:])), [2], [], [0], [1], False])
    f.case("max_pool3d.extreme", "max_pool3d",
           lambda x, k, s, p, d, c: F.max_pool3d(x, k, s or None, p, d, c, return_indices=True),
           [In(torch.tensor([INF, 1.0, -INF, -INF, 0.0, 0.0, 1e30, -1e30] * 2).reshape(1, 1, 4, 2, 2)), [2], [], [0], [1],
            False])
    f.case("avg_pool3d.divisor", "avg_pool3d", lambda x, k, s, p, c, n, v: F.avg_pool3d(x, k, s or None, p, c, n, v),
           lambda g: [In(g.uniform(shape)), [2, 3, 2], [2], [1], True, False, 5])
    for size in ([1], [2, 3, 4], [None, 3, 1], [4, 5, 6], [7, 2, None]):
        for dtype in SOME:
            f.case(f"adaptive_avg_pool3d.{size}.{dtype}", "adaptive_avg_pool3d",
                   lambda x, s: F.adaptive_avg_pool3d(x, s if len(s) == 3 else s[0]),
                   lambda g: [In(g.uniform(shape, dtype), "t"), size])
            f.case(f"adaptive_max_pool3d.{size}.{dtype}", "adaptive_max_pool3d",
                   lambda x, s: F.adaptive_max_pool3d(x, s if len(s) == 3 else s[0], return_indices=True),
                   lambda g: [In(g.distinct(shape, dtype), "t"), size])


def volume(f):
    convolutions(f)
    pools(f)


def bags(f):
    def bag(t, i, o, mode, w, padding, last, by_frequency):
        return F.embedding_bag(i, t, o, mode=mode, per_sample_weights=w, padding_idx=padding, include_last_offset=last,
                               scale_grad_by_freq=by_frequency)
    for mode in ("sum", "mean", "max"):
        for padding in (None, 2, -1):
            for dtype in SOME:
                f.case(f"embedding_bag.{mode}.{padding}.{dtype}", "embedding_bag", bag,
                       lambda g: [In(g.uniform((6, 3), dtype), "t"), In(g.integers((4, 3), "i64", 0, 6)), None, mode,
                                  None, padding, False, False])
                for last in (False, True):
                    offsets = torch.tensor([0, 2, 2, 5] + ([9] if last else []))
                    f.case(f"embedding_bag.{mode}.{padding}.offsets.{last}.{dtype}", "embedding_bag", bag,
                           lambda g: [In(g.uniform((6, 3), dtype)), In(g.integers((9,), "i64", 0, 6)), In(offsets),
                                      mode, None, padding, last, False])
    for padding in (None, 2):
        f.case(f"embedding_bag.weights.{padding}", "embedding_bag", bag,
               lambda g: [In(g.uniform((6, 3))), In(g.integers((4, 3), "i64", 0, 6)), None, "sum", In(g.uniform((4, 3))),
                          padding, False, False])
        f.case(f"embedding_bag.weights.offsets.{padding}", "embedding_bag", bag,
               lambda g: [In(g.uniform((6, 3))), In(g.integers((7,), "i64", 0, 6)), In(torch.tensor([0, 3])), "sum",
                          In(g.uniform((7,))), padding, False, False])
    for mode in ("sum", "mean"):
        f.case(f"embedding_bag.by_frequency.{mode}", "embedding_bag", bag,
               lambda g: [In(g.uniform((6, 3))), In(g.integers((5, 4), "i64", 0, 6)), None, mode, None, None, False,
                          True])
    f.case("embedding_bag.i32", "embedding_bag", bag,
           lambda g: [In(g.uniform((6, 3))), In(g.integers((5, 4), "i32", 0, 6)), None, "mean", None, None, False, False])
    f.case("embedding_bag.equal", "embedding_bag", bag,
           [In(torch.tensor([[1.0, -INF], [1.0, -INF], [0.0, 2.0]])), In(torch.tensor([[0, 1, 2], [1, 0, 1]])), None, "max",
            None, None, False, False])


def responses(f):
    for shape in ((2, 7, 3), (2, 5, 2, 3), (1, 4, 2, 2, 2)):
        for size in (1, 2, 3, 5):
            for dtype in SOME:
                f.case(f"local_response_norm.{list(shape)}.{size}.{dtype}", "local_response_norm", F.local_response_norm,
                       lambda g: [In(g.uniform(shape, dtype), "t" if len(shape) < 5 else "c"), size, 0.3, 0.75, 1.5])
    f.case("local_response_norm.extreme", "local_response_norm", F.local_response_norm,
           [In(torch.tensor([0.0, 1e10, -1e-10, 3.0, 0.0, 1e18]).reshape(1, 6, 1)), 3, 1e-4, 0.75, 1.0])
    for shape, groups in (((2, 6, 3), 3), ((1, 8, 2, 3), 2), ((1, 4, 2, 2, 2), 4)):
        f.case(f"channel_shuffle.{list(shape)}", "channel_shuffle", F.channel_shuffle,
               lambda g: [In(g.uniform(shape), "t"), groups])
    for lead in ((), (5,), (2, 3), (0,)):
        for dtype in SOME:
            f.case(f"bilinear.{list(lead)}.{dtype}", "bilinear", F.bilinear,
                   lambda g: [In(g.uniform((*lead, 3), dtype), "t"), In(g.uniform((*lead, 2), dtype)),
                              In(g.uniform((4, 3, 2), dtype)), In(g.uniform((4,), dtype)) if dtype == "f32" else None])


FAMILIES = {"volume": volume, "embedding_bag": bags, "response": responses}
