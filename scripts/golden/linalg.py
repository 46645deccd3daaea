"""Products of vectors, matrices and batches."""

import torch

from cases import In

FLOATS = ["f32", "f64", "bf16", "f16"]

MATMUL = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((2, 3, 4), (4, 2)),
          ((2, 3, 4), (4,)), ((3,), (2, 3, 4)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)),
          ((1, 3, 4), (5, 4, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)),
          ((0, 2, 3), (3, 2)), ((1, 1), (1, 1)), ((7, 9), (9, 5))]

EINSUM = [("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ij->ji", [(2, 3)]),
          ("ij->", [(2, 3)]), ("ij->i", [(2, 3)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]),
          ("i,i->", [(4,), (4,)]), ("i,j->ij", [(2,), (3,)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]),
          ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]), ("...ij->...ji", [(2, 3, 4)]),
          ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)]), ("ij,ij->ij", [(2, 3), (2, 3)]),
          ("ijk,jil->kl", [(3, 4, 5), (4, 3, 2)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
          ("bn,anm,bm->ba", [(2, 3), (4, 3, 5), (2, 5)]), ("i,->i", [(3,), ()]),
          ("bhqd,bhkd->bhqk", [(1, 2, 3, 4), (1, 2, 5, 4)]), ("ba,c", [(2, 3), (4,)]),
          (" i j , j k -> i k ", [(2, 3), (3, 4)]), ("...,...->...", [(2, 3), (3,)]),
          ("i...->...", [(3, 2)]), ("ij,jk->ik", [(2, 0), (0, 3)]), ("iij->j", [(3, 3, 2)]),
          ("ij,kj->ikj", [(2, 3), (1, 3)]), ("Ab,bA->A", [(2, 3), (3, 2)])]


def matmul(f):
    for a, b in MATMUL:
        for dtype in FLOATS:
            f.case(f"matmul.{list(a)}.{list(b)}.{dtype}", "matmul", torch.matmul,
                   lambda g: [In(g.uniform(a, dtype)), In(g.uniform(b, dtype))])
    for x in ("c", "t", "s", "o"):
        for y in ("c", "t", "s", "o"):
            f.case(f"matmul.layouts.{x}{y}", "matmul", torch.matmul,
                   lambda g: [In(g.uniform((3, 4)), x), In(g.uniform((4, 5)), y)])
            f.case(f"matmul.batch.layouts.{x}{y}", "matmul", torch.matmul,
                   lambda g: [In(g.uniform((2, 3, 4)), x), In(g.uniform((2, 4, 2)), y)])
    f.case("matmul.expanded", "matmul", torch.matmul,
           lambda g: [In(g.uniform((1, 3, 4)).expand(2, 3, 4), "e"), In(g.uniform((2, 4, 2)))])
    for dtype in ("i64", "i32", "u8"):
        f.case(f"matmul.{dtype}", "matmul", torch.matmul,
               lambda g: [In(g.any((3, 4), dtype)), In(g.any((4, 2), dtype))])
    special = torch.tensor([[float("nan"), 1.0], [float("inf"), 0.0], [0.0, -1.0]])
    f.case("matmul.special", "matmul", torch.matmul, lambda g: [In(special), In(g.uniform((2, 2)))])


def products(f):
    for dtype in ("f32", "f64"):
        for x in ("c", "t"):
            pair = lambda op, fn, a, b, *more: f.case(
                f"{op}.{list(a)}.{list(b)}.{list(more)}.{dtype}.{x}", op, fn,
                lambda g: [In(g.uniform(a, dtype), x), In(g.uniform(b, dtype), x), *more])
            pair("mm", torch.mm, (2, 3), (3, 4))
            pair("bmm", torch.bmm, (2, 3, 4), (2, 4, 2))
            pair("bmm", torch.bmm, (0, 3, 4), (0, 4, 2))
            pair("mv", torch.mv, (2, 3), (3,))
            pair("dot", torch.dot, (5,), (5,))
            pair("dot", torch.dot, (0,), (0,))
            pair("outer", torch.outer, (2,), (3,))
            pair("kron", torch.kron, (2, 3), (2, 2))
            pair("kron", torch.kron, (2,), (2, 2))
            pair("kron", torch.kron, (2, 1, 2), (3,))
            for n in (0, 1, 2):
                pair("tensordot", torch.tensordot, (2, 3, 4), (3, 4, 2) if n == 2 else (4, 3), n)
            f.case(f"tensordot.dims.{dtype}.{x}", "tensordot_dims",
                   lambda a, b, p, q: torch.tensordot(a, b, (p, q)),
                   lambda g: [In(g.uniform((2, 3, 4), dtype), x), In(g.uniform((4, 5, 2), dtype), x),
                              [0, -1], [2, 0]])
            for beta, alpha in ((1.0, 1.0), (0.5, 2.0), (0.0, 1.0)):
                for c in ((2, 4), (4,), (), (2, 1)):
                    f.case(f"addmm.{beta}.{alpha}.{list(c)}.{dtype}.{x}", "addmm",
                           lambda c, a, b, be, al: torch.addmm(c, a, b, beta=be, alpha=al),
                           lambda g: [In(g.uniform(c, dtype)), In(g.uniform((2, 3), dtype), x),
                                      In(g.uniform((3, 4), dtype), x), beta, alpha])
                f.case(f"baddbmm.{beta}.{alpha}.{dtype}.{x}", "baddbmm",
                       lambda c, a, b, be, al: torch.baddbmm(c, a, b, beta=be, alpha=al),
                       lambda g: [In(g.uniform((2, 2, 2), dtype)), In(g.uniform((2, 2, 3), dtype), x),
                                  In(g.uniform((2, 3, 2), dtype), x), beta, alpha])
            f.case(f"trace.{dtype}.{x}", "trace", torch.trace, lambda g: [In(g.uniform((3, 4), dtype), x)])
            for shape in ((2, 3), (4, 2, 3), (3,), (0, 3)):
                for bias in (True, False):
                    f.case(f"linear.{list(shape)}.{bias}.{dtype}.{x}", "linear",
                           torch.nn.functional.linear,
                           lambda g: [In(g.uniform(shape, dtype), x), In(g.uniform((5, 3), dtype)),
                                      In(g.uniform((5,), dtype)) if bias else None])


def einsum(f):
    for equation, shapes in EINSUM:
        for dtype in ("f32", "f64"):
            f.case(f"einsum.{equation}.{dtype}", "einsum", torch.einsum,
                   lambda g: [equation, [In(g.uniform(s, dtype)) for s in shapes]])
        f.case(f"einsum.{equation}.transposed", "einsum", torch.einsum,
               lambda g: [equation, [In(g.uniform(s), "t") for s in shapes]])


FAMILIES = {"matmul": matmul, "products": products, "einsum": einsum}
