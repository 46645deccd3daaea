"""Factors of matrices, what is solved with them, and how variables go together. Of vectors that have
a sign of their own, only what does not depend on it."""

import math

import torch

from cases import In

FLOATS = ["f32", "f64"]
SQUARE = [(3, 3), (2, 3, 3), (1, 1), (0, 0), (0, 2, 2), (5, 5)]
ANY = [(4, 3), (3, 4), (2, 3, 2), (3, 3), (1, 3), (0, 2, 2), (6, 4)]


def spread(g, shape, dtype):
    """Numbers with 3, 5, 7, ... added along the diagonal, which keeps singular values apart."""
    m, n = shape[-2:]
    rows = torch.arange(m)[:, None]
    diagonal = (rows == torch.arange(n)) * (rows * 2 + 3)
    return g.uniform(shape, dtype, -1, 1) + diagonal.to(torch.float64 if dtype == "f64" else torch.float32)


def definite(g, shape, dtype):
    x = g.uniform(shape, dtype, -1, 1)
    return x @ x.mT + torch.eye(shape[-1], dtype=x.dtype)


def symmetric(g, shape, dtype):
    x = spread(g, shape, dtype)
    return x + x.mT


def each(f, op, fn, shapes, make, *more, layouts=("c",), dtypes=FLOATS):
    for shape in shapes:
        for dtype in dtypes:
            for layout in layouts:
                f.case(f"{op}.{list(shape)}.{list(more)}.{dtype}.{layout}", op, fn,
                       lambda g: [In(make(g, shape, dtype), layout), *more])


def qr(mode):
    return lambda x: torch.linalg.qr(x, mode=mode)


def svd(x):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return u * u, s, vh * vh


def svd_product(x):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return (u * s.log().unsqueeze(-2)) @ vh


def eigh(x, upper):
    w, v = torch.linalg.eigh((x + x.mT) / 2, UPLO="U" if upper else "L")
    return w, v * v


def decompositions(f):
    both = ("c", "t")
    for upper in (False, True):
        each(f, "cholesky", lambda x, u: torch.linalg.cholesky((x + x.mT) / 2, upper=u), SQUARE, definite, upper,
             layouts=both)
        each(f, "eigh", eigh, SQUARE, symmetric, upper)
    each(f, "qr", qr("reduced"), ANY, spread, layouts=both)
    each(f, "qr_complete", qr("complete"), [(3, 4), (3, 3), (2, 2, 3)], spread)
    # The gradient of vectors in f32 has few digits.
    each(f, "svd", svd, ANY, spread, layouts=both, dtypes=["f64"])
    each(f, "svd_product", svd_product, ANY, spread)
    each(f, "svdvals", torch.linalg.svdvals, ANY, spread)
    each(f, "eigvalsh", torch.linalg.eigvalsh, SQUARE, symmetric)


SOLVE = [((3, 3), (3, 2)), ((3, 3), (3,)), ((2, 3, 3), (2, 3, 2)), ((2, 3, 3), (3, 2)),
         ((2, 3, 3), (2, 3)), ((3, 3), (2, 3, 1)), ((0, 0), (0, 2)), ((0, 3, 3), (0, 3, 1)),
         ((2, 1, 3, 3), (4, 3, 2)), ((5, 5), (5, 1))]


def solve(f):
    for a, b in SOLVE:
        for dtype in FLOATS:
            for layout in ("c", "t"):
                f.case(f"solve.{list(a)}.{list(b)}.{dtype}.{layout}", "solve", torch.linalg.solve,
                       lambda g: [In(spread(g, a, dtype), layout), In(g.uniform(b, dtype), layout)])
            if len(b) < 2 or len(a) == 4 or b == a[:-1]:
                continue
            right = (*b[:-2], b[-1], b[-2])
            f.case(f"solve_right.{list(a)}.{list(b)}.{dtype}", "solve_right",
                   lambda x, y: torch.linalg.solve(x, y, left=False),
                   lambda g: [In(spread(g, a, dtype)), In(g.uniform(right, dtype))])
            for upper in (False, True):
                for unit in (False, True):
                    for left in (False, True):
                        # Small beside a diagonal of ones.
                        make = lambda g: spread(g, a, dtype) * (0.1 if unit else 1)
                        f.case(f"solve_triangular.{list(a)}.{list(b)}.{upper}.{left}.{unit}.{dtype}",
                               "solve_triangular",
                               lambda x, y, u, l, t: torch.linalg.solve_triangular(
                                   x, y, upper=u, left=l, unitriangular=t),
                               lambda g: [In(make(g)), In(g.uniform(b if left else right, dtype)),
                                          upper, left, unit])
    each(f, "inv", torch.linalg.inv, SQUARE, spread, layouts=("c", "t"))
    each(f, "det", torch.linalg.det, SQUARE, spread, layouts=("c", "t"))
    each(f, "slogdet", lambda x: torch.linalg.slogdet(x).logabsdet, SQUARE, spread)
    each(f, "slogdet_sign", lambda x: torch.linalg.slogdet(x.detach()).sign, SQUARE, spread)
    singular = torch.tensor([[1.0, 2, 3], [2, 4, 6], [1, 0, 1]], dtype=torch.float64)
    f.case("det.singular", "det", torch.linalg.det, [In(singular)], grad=False)
    f.case("slogdet.singular", "slogdet", lambda x: torch.linalg.slogdet(x).logabsdet, [In(singular)],
           grad=False)


def least_squares(f):
    each(f, "pinv", torch.linalg.pinv, ANY, spread)
    each(f, "pinv_rtol", lambda x, t: torch.linalg.pinv(x, rtol=t), [(4, 3), (3, 3)], spread, 0.5)
    each(f, "pinv_hermitian", lambda x: torch.linalg.pinv((x + x.mT) / 2, hermitian=True), SQUARE, symmetric)
    low = torch.tensor([[1.0, 2], [2, 4], [3, 6]], dtype=torch.float64)
    f.case("pinv.rank_1", "pinv", torch.linalg.pinv, [In(low)])
    each(f, "matrix_rank", torch.linalg.matrix_rank, ANY, spread)
    f.case("matrix_rank.rank_1", "matrix_rank", torch.linalg.matrix_rank, [In(low)])
    for p in (2.0, -2.0):
        each(f, "cond", torch.linalg.cond, [(4, 3), (3, 3), (2, 3, 2)], spread, p)
    for p in (1.0, -1.0, math.inf, -math.inf):
        each(f, "cond", torch.linalg.cond, SQUARE[:3], spread, p)
    for a, b in [((4, 3), (4, 2)), ((3, 4), (3, 2)), ((2, 4, 2), (2, 4, 1)), ((2, 4, 2), (2, 4)),
                 ((3, 3), (3, 1)), ((4, 2), (2, 4, 1))]:
        for dtype in FLOATS:
            f.case(f"lstsq.{list(a)}.{list(b)}.{dtype}", "lstsq",
                   lambda x, y: torch.linalg.lstsq(x, y).solution,
                   lambda g: [In(spread(g, a, dtype)), In(g.uniform(b, dtype))])
    for driver in ("gelsd",):
        f.case("lstsq.rank_1", "lstsq", lambda x, y: torch.linalg.lstsq(x, y, driver=driver).solution,
               lambda g: [In(low), In(g.uniform((3, 2), "f64"))])


def matrix_functions(f):
    for n in (-2, -1, 0, 1, 2, 3, 7):
        each(f, "matrix_power", lambda x, p: torch.linalg.matrix_power(x * 0.25, p), SQUARE, spread, n)
    small = lambda g, shape, dtype: g.uniform(shape, dtype, -0.1, 0.1)
    wide = lambda g, shape, dtype: g.uniform(shape, dtype, -2, 2)
    each(f, "matrix_exp", torch.linalg.matrix_exp, SQUARE, small, layouts=("c", "t"))
    each(f, "matrix_exp", torch.linalg.matrix_exp, SQUARE, wide)
    f.case("matrix_exp.nilpotent", "matrix_exp", torch.linalg.matrix_exp,
           [In(torch.tensor([[0.0, 100, 3], [0, 0, 7], [0, 0, 0]], dtype=torch.float64))])


def correlation(f):
    for shape in ((3, 5), (4,), (1, 4), (2, 1), ()):
        for dtype in FLOATS:
            for correction in (0, 1, 2):
                f.case(f"cov.{list(shape)}.{correction}.{dtype}", "cov",
                       lambda x, c: torch.cov(x, correction=c),
                       lambda g: [In(g.uniform(shape, dtype)), correction])
            if shape != (2, 1):
                f.case(f"corrcoef.{list(shape)}.{dtype}", "corrcoef", torch.corrcoef,
                       lambda g: [In(g.uniform(shape, dtype))])
    for which in ("f", "a", "fa"):
        f.case(f"cov.weights.{which}", "cov_weights",
               lambda x, fw, aw: torch.cov(x, fweights=fw, aweights=aw),
               lambda g: [In(g.uniform((3, 5), "f64")),
                          In(torch.tensor([1, 2, 0, 3, 1])) if "f" in which else None,
                          In(g.uniform((5,), "f64", 0.5, 2), grad=False) if "a" in which else None])
    f.case("cov.i64", "cov", lambda x, c: torch.cov(x, correction=c),
           lambda g: [In(g.integers((3, 4))), 1])
    for p in (0.0, 0.5, 1.0, 2.0, 3.0, math.inf):
        for a, b in [((3, 4), (2, 4)), ((2, 3, 2), (1, 4, 2)), ((3, 1), (2, 1)), ((0, 2), (3, 2)),
                     ((2, 0), (3, 0)), ((30, 3), (27, 3))]:
            for dtype in FLOATS:
                f.case(f"cdist.{list(a)}.{list(b)}.{p}.{dtype}", "cdist", torch.cdist,
                       lambda g: [In(g.uniform(a, dtype)), In(g.uniform(b, dtype, 2, 4)), p])
    for dtype in FLOATS:
        for bins, low, high in ((4, 0.0, 0.0), (10, -1.0, 1.0), (1, 0.0, 3.0), (7, 1.0, 1.0)):
            f.case(f"histc.{bins}.{low}.{high}.{dtype}", "histc", torch.histc,
                   lambda g: [In(g.distinct((50,), dtype)), bins, low, high], grad=False)
        f.case(f"histc.equal.{dtype}", "histc", torch.histc,
               lambda g: [In(g.uniform((1,), dtype).expand(4).contiguous()), 4, 0.0, 0.0], grad=False)
        f.case(f"histc.edges.{dtype}", "histc", torch.histc,
               lambda g: [In(g.integers((40,)).to(g.uniform((), dtype).dtype)), 5, -2.0, 3.0],
               grad=False)


FAMILIES = {"decompositions": decompositions, "solve": solve, "least_squares": least_squares,
            "matrix_functions": matrix_functions, "correlation": correlation}
