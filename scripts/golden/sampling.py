"""Images at places, what undoes pooling, and the other functions of layers in files of their own."""

import itertools

import torch
import torch.nn.functional as F

from cases import In

NAN, INF = float("nan"), float("inf")


def sampled(x, grid, mode, padding, align):
    return F.grid_sample(x, grid, mode, padding, align)


def grids(f):
    for mode, padding, align in itertools.product(("bilinear", "nearest", "bicubic"),
                                                  ("zeros", "border", "reflection"), (False, True)):
        name = f"{mode}.{padding}.{align}"
        # Cubic weights of a border alone add up to 1, and their slopes to what rounding leaves.
        reach = 1.1 if mode == "bicubic" else 1.8
        for dtype, layout in (("f32", "c"), ("f64", "t")):
            f.case(f"grid_sample.{name}.{dtype}", "grid_sample", sampled,
                   lambda g: [In(g.uniform((2, 3, 4, 5), dtype), layout),
                              In(g.uniform((2, 3, 4, 2), dtype, -reach, reach), layout), mode, padding, align])
        # One element along an axis; far outside.
        f.case(f"grid_sample.thin.{name}", "grid_sample", sampled,
               lambda g: [In(g.uniform((1, 2, 1, 3), "f64")), In(g.uniform((1, 2, 5, 2), "f64", -1.5, 1.5)),
                          mode, padding, align])
        f.case(f"grid_sample.far.{name}", "grid_sample", sampled,
               lambda g: [In(g.uniform((1, 2, 4, 5), "f64")), In(g.uniform((1, 3, 5, 2), "f64", -40, 40)),
                          mode, padding, align])
        # What is no number, and what is infinite.
        wrong = [[NAN, 0.1], [0.2, NAN], [INF, 0.3], [-INF, -0.3], [0.4, INF], [0.4, -INF], [NAN, INF], [1.0, -1.0]]
        for dtype in ("f32", "f64"):
            f.case(f"grid_sample.wrong.{name}.{dtype}", "grid_sample", sampled,
                   lambda g: [In(g.uniform((1, 2, 3, 4), dtype)),
                              In(torch.tensor([[wrong]], dtype=torch.float64 if dtype == "f64" else torch.float32)),
                              mode, padding, align], grad=False)
        if mode == "bicubic":
            continue
        for dtype, layout in (("f32", "t"), ("f64", "c")):
            f.case(f"grid_sample.volume.{name}.{dtype}", "grid_sample", sampled,
                   lambda g: [In(g.uniform((2, 2, 3, 4, 2), dtype), layout),
                              In(g.uniform((2, 2, 1, 3, 3), dtype, -1.8, 1.8), layout), mode, padding, align])


def thetas(f):
    for align in (False, True):
        for size in ([2, 3, 4, 5], [1, 2, 1, 3], [2, 1, 3, 2, 4], [1, 1, 1, 1, 1]):
            for dtype, layout in (("f32", "c"), ("f64", "t")):
                axes = len(size) - 2
                f.case(f"affine_grid.{size}.{align}.{dtype}", "affine_grid",
                       lambda theta, size, align: F.affine_grid(theta, size, align),
                       lambda g: [In(g.uniform((size[0], axes, axes + 1), dtype), layout), size, align])


def unpooled(x, kernel, stride, padding, size, axes):
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[axes - 1]
    unpool = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[axes - 1]
    kernel, stride, padding = (sizes * axes if len(sizes) == 1 else sizes for sizes in (kernel, stride, padding))
    values, indices = pool(x, kernel, stride or None, padding, return_indices=True)
    return unpool(values, indices, kernel, stride or None, padding, size or None)


def unpools(f):
    for dtype, layout in (("f32", "c"), ("f64", "t")):
        for axes, shape, kernel, stride, padding, size in (
                (1, (2, 3, 8), [2], [], [0], []),
                (1, (3, 7), [3], [3], [1], []),
                (1, (2, 3, 9), [2], [2], [0], [9]),
                (2, (2, 2, 6, 4), [2], [], [0], []),
                (2, (2, 2, 7, 4), [3, 2], [3, 2], [1, 0], []),
                (2, (2, 5, 7), [2], [2], [0], [5, 7]),
                (2, (1, 2, 5, 7), [2], [2], [0], [1, 2, 5, 7]),
                (3, (1, 2, 4, 6, 4), [2], [], [0], []),
                (3, (2, 4, 5, 7), [2, 1, 3], [2, 1, 3], [1, 0, 1], [])):
            f.case(f"max_unpool{axes}d.{list(shape)}.{kernel}.{stride}.{padding}.{size}.{dtype}", "max_unpool",
                   unpooled, lambda g: [In(g.distinct(shape, dtype), layout), kernel, stride, padding, size, axes])


def norms(f):
    pools = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)
    for dtype, layout in (("f32", "c"), ("f64", "t")):
        for p in (1.0, 2.0, 3.0, 1.5, INF, -INF):
            # Powers that are not whole want numbers above zero.
            low = 0.1 if p == 1.5 else -2
            for axes, shape, kernel, stride, ceil in (
                    (1, (2, 3, 8), [3], [2], False), (1, (2, 3, 8), [3], [2], True),
                    (2, (2, 2, 5, 6), [2, 3], [], False), (2, (2, 2, 5, 6), [2], [3], True),
                    (3, (1, 2, 4, 3, 5), [2], [], False), (3, (1, 2, 4, 3, 5), [2, 1, 3], [1], True)):
                if axes == 1:
                    run = lambda x, p, k, s, c, n: F.lp_pool1d(x, p, k[0], s[0] if s else None, c)
                else:
                    run = lambda x, p, k, s, c, n: pools[n - 1](x, p, k if len(k) > 1 else k[0],
                                                                s[0] if s else None, c)
                f.case(f"lp_pool{axes}d.{p}.{kernel}.{stride}.{ceil}.{dtype}", "lp_pool", run,
                       lambda g: [In(g.uniform(shape, dtype, low, 2), layout), p, kernel, stride, ceil, axes])


def sampling(f):
    grids(f)
    thetas(f)
    unpools(f)
    norms(f)
    for dtype in ("f32", "f64", "bf16", "f16"):
        f.case(f"rrelu.{dtype}", "rrelu", lambda x, a, b: F.rrelu(x, a, b, False),
               lambda g: [In(g.uniform((3, 5), dtype)), 0.1, 0.4])
    for swap, reduction in itertools.product((False, True), ("none", "sum", "mean")):
        for which in ("usual", "cosine"):
            distance = None if which == "usual" else lambda a, b: 1 - F.cosine_similarity(a, b)
            f.case(f"triplet_distance.{which}.{swap}.{reduction}", "triplet_distance",
                   lambda a, p, n, which, margin, swap, reduction: F.triplet_margin_with_distance_loss(
                       a, p, n, distance_function=distance, margin=margin, swap=swap, reduction=reduction),
                   lambda g: [In(g.uniform((4, 3), "f64")), In(g.uniform((4, 3), "f64")),
                              In(g.uniform((4, 3), "f64")), which, 0.7, swap, reduction])


FAMILIES = {"sampling": sampling}
