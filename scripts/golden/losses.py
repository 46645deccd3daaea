"""Losses of likelihoods and of margins."""

import torch
import torch.nn.functional as F

from cases import In

REDUCTIONS = ("none", "sum", "mean")
SOME = ("f32", "f64")
INF = float("inf")


def each(f, name, op, fn, draw):
    """Every reduction and dtype; draw(g, dtype) gives the arguments in front of the reduction."""
    for reduction in REDUCTIONS:
        for dtype in SOME:
            f.case(f"{name}.{reduction}.{dtype}", op, lambda *a: fn(*a[:-1], reduction=a[-1]),
                   lambda g: [*draw(g, dtype), reduction])


def signs(g, shape, dtype="f32"):
    return In((2 * g.integers(shape, "i64", 0, 2) - 1).to(g.any((1,), dtype).dtype), "c", False)


def values(numbers, dtype=torch.float32):
    return In(torch.tensor(numbers, dtype=dtype))


def likelihood(f):
    for log_input in (True, False):
        for full in (False, True):
            each(f, f"poisson_nll_loss.{log_input}.{full}", "poisson_nll_loss",
                 lambda x, t, l, u, e, reduction: F.poisson_nll_loss(x, t, l, u, eps=e, reduction=reduction),
                 lambda g, d: [In(g.uniform((3, 4), d, 0.1, 2), "t"), In(g.integers((3, 4), d, 0, 6), "c", False),
                               log_input, full, 1e-8])
    for log_input in (True, False):
        f.case(f"poisson_nll_loss.extreme.{log_input}", "poisson_nll_loss",
               lambda x, t, l, u, e, r: F.poisson_nll_loss(x, t, l, u, eps=e, reduction=r),
               [values([0.0, 50.0, 1e-30, 0.0, 3.0, INF]),
                In(torch.tensor([0.0, 1e6, 0.0, 1.0, 1e-3, 0.0]), "c", False), log_input, True, 1e-8, "none"])
    f.case("poisson_nll_loss.integers", "poisson_nll_loss",
           lambda x, t, l, u, e, r: F.poisson_nll_loss(x, t, l, u, eps=e, reduction=r),
           lambda g: [In(g.uniform((3, 1))), In(g.integers((3, 4), "i64", 0, 6)), True, True, 1e-8, "mean"])
    for full in (False, True):
        for var in ((3, 4), (3, 1), (3,), (1, 4)):
            each(f, f"gaussian_nll_loss.{full}.{list(var)}", "gaussian_nll_loss",
                 lambda x, t, v, u, e, reduction: F.gaussian_nll_loss(x, t, v, u, e, reduction),
                 lambda g, d: [In(g.uniform((3, 4), d), "t"), In(g.uniform((3, 4), d)),
                               In(g.uniform(var, d, 0.1, 2)), full, 1e-6])
    f.case("gaussian_nll_loss.extreme", "gaussian_nll_loss",
           lambda x, t, v, u, e, r: F.gaussian_nll_loss(x, t, v, u, e, r),
           [values([0.0, 1e10, -3.0, 1.0, INF]), In(torch.tensor([0.0, -1e10, 2.0, 1.0, 0.0])),
            values([0.0, 1.0, 1e-9, 1e30, 1.0]), True, 1e-6, "none"])


def multilabel(g, rows, classes):
    """Labels in front of the first -1; what comes after it counts for nothing."""
    out = torch.full((rows, classes), -1, dtype=torch.int64)
    for i in range(rows):
        count = int(g.random.integers(0, classes + 1))
        out[i, :count] = torch.from_numpy(g.random.permutation(classes)[:count].copy())
        if count + 1 < classes:
            out[i, count + 1] = int(g.random.integers(0, classes))
    return In(out)


def pairs(f):
    for margin in (0.0, 0.7):
        each(f, f"margin_ranking_loss.{margin}", "margin_ranking_loss",
             lambda a, b, t, m, reduction: F.margin_ranking_loss(a, b, t, m, reduction=reduction),
             lambda g, d: [In(g.uniform((3, 4), d), "t"), In(g.uniform((3, 4), d)), signs(g, (3, 4), d), margin])
        each(f, f"cosine_embedding_loss.{margin}", "cosine_embedding_loss",
             lambda a, b, t, m, reduction: F.cosine_embedding_loss(a, b, t, m, reduction=reduction),
             lambda g, d: [In(g.uniform((5, 3), d), "t"), In(g.uniform((5, 3), d)), signs(g, (5,)), margin])
    f.case("margin_ranking_loss.ties", "margin_ranking_loss",
           lambda a, b, t, m, r: F.margin_ranking_loss(a, b, t, m, reduction=r),
           [values([1.0, 1.0, 0.0, INF, -1e30]), values([1.0, 0.0, 1.0, 0.0, 1e30]),
            In(torch.tensor([1.0, 1.0, -1.0, 1.0, 1.0]), "c", False), 1.0, "none"])
    f.case("cosine_embedding_loss.one", "cosine_embedding_loss",
           lambda a, b, t, m, r: F.cosine_embedding_loss(a, b, t, m, reduction=r),
           [values([1.0, 2.0]), values([-2.0, 0.5]), In(torch.tensor(1)), 0.0, "mean"])
    f.case("cosine_embedding_loss.extreme", "cosine_embedding_loss",
           lambda a, b, t, m, r: F.cosine_embedding_loss(a, b, t, m, reduction=r),
           [values([[0.0, 0.0], [1e9, 1e9], [1e-9, 0.0], [3.0, 4.0]]),
            values([[1.0, 2.0], [1e9, -1e8], [1.0, 0.0], [3.0, 4.0]]), In(torch.tensor([1, -1, -1, -1])), 0.0,
            "none"])
    for margin in (1.0, 0.3):
        each(f, f"hinge_embedding_loss.{margin}", "hinge_embedding_loss",
             lambda x, t, m, reduction: F.hinge_embedding_loss(x, t, m, reduction=reduction),
             lambda g, d: [In(g.uniform((3, 4), d), "t"), signs(g, (3, 4), d), margin])
    f.case("hinge_embedding_loss.extreme", "hinge_embedding_loss",
           lambda x, t, m, r: F.hinge_embedding_loss(x, t, m, reduction=r),
           [values([0.0, 1.0, 1e30, -1e30, INF, 0.5]), In(torch.tensor([1, -1, -1, -1, 1, 0])), 1.0, "none"])
    each(f, "soft_margin_loss", "soft_margin_loss", F.soft_margin_loss,
         lambda g, d: [In(g.uniform((3, 4), d), "t"), signs(g, (3, 4), d)])
    f.case("soft_margin_loss.extreme", "soft_margin_loss", lambda x, t, r: F.soft_margin_loss(x, t, reduction=r),
           [values([0.0, 80.0, -80.0, 1e30, INF]), In(torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0]), "c", False), "none"])


def classes(f):
    for p in (1, 2):
        for weighted in (False, True):
            each(f, f"multi_margin_loss.{p}.{weighted}", "multi_margin_loss",
                 lambda x, t, p, m, w, reduction: F.multi_margin_loss(x, t, p, m, w, reduction=reduction),
                 lambda g, d: [In(g.uniform((5, 4), d), "t"), In(g.integers((5,), "i64", 0, 4)), p, 0.8,
                               In(g.uniform((4,), d, 0.5, 2), "c", False) if weighted else None])
    f.case("multi_margin_loss.one", "multi_margin_loss",
           lambda x, t, p, m, w, r: F.multi_margin_loss(x, t, p, m, w, reduction=r),
           [values([1.0, 0.0, 0.5, INF, -1e30]), In(torch.tensor(0)), 1, 1.0, None, "none"])
    each(f, "multilabel_margin_loss", "multilabel_margin_loss", F.multilabel_margin_loss,
         lambda g, d: [In(g.uniform((6, 5), d), "t"), multilabel(g, 6, 5)])
    f.case("multilabel_margin_loss.one", "multilabel_margin_loss",
           lambda x, t, r: F.multilabel_margin_loss(x, t, reduction=r),
           [values([0.1, 0.2, 0.4, 1.4]), In(torch.tensor([3, 0, -1, 1])), "mean"])
    for weighted in (False, True):
        each(f, f"multilabel_soft_margin_loss.{weighted}", "multilabel_soft_margin_loss",
             lambda x, t, w, reduction: F.multilabel_soft_margin_loss(x, t, w, reduction=reduction),
             lambda g, d: [In(g.uniform((3, 4), d), "t"), In(g.integers((3, 4), d, 0, 2), "c", False),
                           In(g.uniform((4,), d, 0.5, 2), "c", False) if weighted else None])
    f.case("multilabel_soft_margin_loss.extreme", "multilabel_soft_margin_loss",
           lambda x, t, w, r: F.multilabel_soft_margin_loss(x, t, w, reduction=r),
           [values([[0.0, 200.0, -200.0], [1e30, -1e30, 5.0]]),
            In(torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.5]]), "c", False), None, "none"])


def triplets(f):
    for p in (1.0, 2.0, 3.0, INF):
        for swap in (False, True):
            each(f, f"triplet_margin_loss.{p}.{swap}", "triplet_margin_loss",
                 lambda a, b, c, m, p, e, s, reduction: F.triplet_margin_loss(
                     a, b, c, m, float(p), e, s, reduction=reduction),
                 lambda g, d: [In(g.uniform((5, 3), d), "t"), In(g.uniform((5, 3), d)), In(g.uniform((5, 3), d)),
                               1.5, p, 1e-6, swap])
        each_distance = lambda g, d: [In(g.uniform((4, 3), d), "t"), In(g.uniform((3,), d)), p, 1e-6, False]
        for dtype in ("f32", "f64"):
            f.case(f"pairwise_distance.{p}.{dtype}", "pairwise_distance",
                   lambda a, b, p, e, k: F.pairwise_distance(a, b, float(p), e, k),
                   lambda g: each_distance(g, dtype))
    f.case("triplet_margin_loss.equal", "triplet_margin_loss",
           lambda a, b, c, m, p, e, s, r: F.triplet_margin_loss(a, b, c, m, p, e, s, reduction=r),
           [values([[1.0, 2.0], [0.0, 0.0], [1e10, 0.0]]), values([[1.0, 2.0], [0.0, 0.0], [-1e10, 0.0]]),
            values([[3.0, 1.0], [0.0, 0.0], [1e10, 1.0]]), 1.0, 2.0, 1e-6, False, "none"])
    for keep in (False, True):
        f.case(f"pairwise_distance.zero.{keep}", "pairwise_distance", F.pairwise_distance,
               [values([[1.0, 2.0], [0.0, 1e18]]), values([[1.0, 2.0], [3.0, 0.0]]), 2.0, 0.0, keep])


def margin(f):
    for fill in (pairs, classes, triplets):
        fill(f)


def ctc(f):
    """Of softmaxes: the gradient by log_probs themselves PyTorch has only up to what log_softmax takes away."""
    def run(x, t, n, m, blank, reduction, zero_infinity):
        return F.ctc_loss(torch.log_softmax(x, -1), t, n, m, blank, reduction, zero_infinity)
    lengths = lambda numbers: In(torch.tensor(numbers))
    for dtype in SOME:
        for reduction in REDUCTIONS:
            for blank in (0, 2):
                labels = torch.tensor([[1, 1, 3], [3, 4, 1], [4, 0, 0], [1, 3, 1]])
                f.case(f"ctc_loss.{blank}.{reduction}.{dtype}", "ctc_loss", run,
                       lambda g: [In(g.uniform((7, 4, 5), dtype), "t"), In(labels), lengths([7, 6, 3, 5]),
                                  lengths([3, 2, 1, 3]), blank, reduction, False])
        f.case(f"ctc_loss.joined.{dtype}", "ctc_loss", run,
               lambda g: [In(g.uniform((6, 3, 4), dtype)), lengths([1, 2, 3, 3]), lengths([6, 2, 5]), lengths([1, 0, 3]),
                          0, "none", False])
    for zero in (False, True):
        f.case(f"ctc_loss.impossible.{zero}", "ctc_loss", run,
               lambda g: [In(g.uniform((3, 3, 4))), lengths([[1, 1, 2], [1, 2, 0], [2, 1, 2]]), lengths([3, 3, 2]),
                          lengths([3, 2, 3]), 0, "none", zero], grad=zero)
    f.case("ctc_loss.one", "ctc_loss", run,
           lambda g: [In(g.uniform((6, 4))), lengths([1, 2]), lengths(6), lengths(2), 0, "mean", False])
    f.case("ctc_loss.certain", "ctc_loss", run,
           [In(torch.tensor([[[200.0, 0.0, 0.0]], [[0.0, 200.0, 0.0]], [[0.0, 0.0, 200.0]]])), lengths([[1, 2]]),
            lengths([3]), lengths([2]), 0, "none", False])


FAMILIES = {"ctc_loss": ctc, "likelihood_loss": likelihood, "margin_loss": margin}
