#include "autograd/ops/decompositions.h"

#include "autograd/ops/creation.h"
#include "autograd/ops/diagonal.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/linalg_common.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/solve.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/linalg.h"

namespace tessera {
namespace {

const LinalgFamily& linalg_kernels(const Array& x) { return kernels(x.device()).linalg(); }

// An array for the results of a batch, and the same as (B, ...) for the kernels: they share
// elements.
struct Results {
  Results(const Tensor& x, Dims shape, size_t dims)
      : whole(Array::empty(std::move(shape), x.dtype(), x.device())) {
    int64_t count = num_elements(batch_of(x.shape()));
    const Dims& s = whole.shape();
    flat = dims == 2 ? whole.view({count, whole.size(-2), whole.size(-1)})
                     : whole.view({count, s[s.size() - 1]});
  }
  Array whole, flat;
};

Results matrix_results(const Tensor& x, int64_t rows, int64_t cols) {
  return {x, with_sizes(batch_of(x.shape()), rows, cols), 2};
}

Results vector_results(const Tensor& x, int64_t size) {
  return {x, with_size(batch_of(x.shape()), size), 1};
}

// The symmetric matrix with x's lower triangle, or with its upper one.
Tensor mirrored(const Tensor& x, bool upper) {
  return upper ? triu(x) + matrix_transpose(triu(x, 1)) : tril(x) + matrix_transpose(tril(x, -1));
}

// y x^-1 for a triangular x.
Tensor over_triangle(const Tensor& y, const Tensor& x, bool upper) {
  return solve_triangular(x, y, upper, /*left=*/false);
}

// With s = tril(l^T dl) mirrored, its diagonal halved twice over: dx = l^-T s l^-1 / 2
Tensor cholesky_grad(const Tensor& l, const Tensor& dl) {
  Tensor inner = mirrored(matmul(matrix_transpose(l), dl), /*upper=*/false) * 0.5;
  Tensor left = solve_triangular(matrix_transpose(l), inner, /*upper=*/true);
  return over_triangle(left, l, /*upper=*/false);
}

Tensor cholesky_lower(const Tensor& x) {
  Results l = matrix_results(x, x.size(-2), x.size(-1));
  linalg_kernels(x.data()).cholesky("cholesky", matrices(x.data()), l.flat);
  return record("cholesky", l.whole, {x},
                [sl = SavedResult(l.whole)](const Tensor& dl, const Node& node) {
                  return Grads{cholesky_grad(sl.get(node), dl)};
                });
}

Tensor or_zeros(const Tensor& dy, const Tensor& y) { return dy.defined() ? dy : zeros_like(y); }

// For q (m, n) and a square r, with the upper triangle of s = dr r^T - dq^T q... mirrored:
// dx = (dq + q s) r^-T
Tensor tall_qr_grad(const Tensor& q, const Tensor& r, const Tensor& dq, const Tensor& dr) {
  Tensor s =
      mirrored(matmul(dr, matrix_transpose(r)) - matmul(matrix_transpose(q), dq), /*upper=*/true);
  return over_triangle(dq + matmul(q, s), matrix_transpose(r), /*upper=*/false);
}

// With more columns than rows, x = (a, b) and r = (t, u): a = q t, and b = q u with u = q^T b.
Tensor qr_grad(const Tensor& x, const Tensor& q, const Tensor& r, const Tensor& dq,
               const Tensor& dr) {
  int64_t m = x.size(-2);
  int64_t n = x.size(-1);
  if (m >= n) return tall_qr_grad(q, r, dq, dr);
  Tensor du = narrow(dr, -1, m, n - m);
  Tensor da = tall_qr_grad(q, narrow(r, -1, 0, m),
                           dq + matmul(narrow(x, -1, m, n - m), matrix_transpose(du)),
                           narrow(dr, -1, 0, m));
  return cat({da, matmul(q, du)}, -1);
}

// out[i, j] = values[j] - values[i], by terms whose difference is exact where values are close; 1
// on the diagonal.
Tensor distances(const Tensor& values, bool of_squares) {
  Tensor row = unsqueeze(values, -2);
  Tensor column = unsqueeze(values, -1);
  Tensor apart = row - column;
  if (of_squares) apart = apart * (row + column);
  return masked_fill(apart, identity_matrix(values.size(-1), DType::boolean, values.device()), 1);
}

// x - x^T
Tensor skew(const Tensor& x) { return x - matrix_transpose(x); }

// With e[i, j] = s[j]^2 - s[i]^2:
//   dx = u (skew(u^T du) / e diag(s) + diag(s) skew(v^T dv) / e + diag(ds)) vh
//        + (I - u u^T) du diag(s)^-1 vh + u diag(s)^-1 dvh (I - v v^T)
Tensor svd_grad(const Tensor& u, const Tensor& s, const Tensor& vh, const Tensor& du,
                const Tensor& ds, const Tensor& dvh) {
  Tensor v = matrix_transpose(vh);
  Tensor row = unsqueeze(s, -2);
  Tensor column = unsqueeze(s, -1);
  if (!du.defined() && !dvh.defined()) return matmul(u * unsqueeze(ds, -2), vh);
  Tensor inner = diag_embed(or_zeros(ds, s));
  Tensor e = distances(s, /*of_squares=*/true);
  if (du.defined()) inner = inner + skew(matmul(matrix_transpose(u), du)) / e * row;
  if (dvh.defined()) inner = inner + column * (skew(matmul(vh, matrix_transpose(dvh))) / e);
  Tensor left = matmul(u, inner);
  if (du.defined() && u.size(-2) > u.size(-1)) {
    Tensor scaled = du / row;
    left = left + scaled - matmul(u, matmul(matrix_transpose(u), scaled));
  }
  Tensor dx = matmul(left, vh);
  if (dvh.defined() && vh.size(-1) > vh.size(-2)) {
    Tensor scaled = dvh / column;
    dx = dx + matmul(u, scaled - matmul(matmul(scaled, v), vh));
  }
  return dx;
}

// The first k vectors of all of them.
Tensor first_columns(const Tensor& u, int64_t k) {
  return u.defined() && u.size(-1) > k ? narrow(u, -1, 0, k) : u;
}
Tensor first_rows(const Tensor& vh, int64_t k) {
  return vh.defined() && vh.size(-2) > k ? narrow(vh, -2, 0, k) : vh;
}

// With e[i, j] = w[j] - w[i]: dx = v (diag(dw) + skew(v^T dv) / 2 e) v^T
Tensor eigh_grad(const Tensor& w, const Tensor& v, const Tensor& dw, const Tensor& dv) {
  if (!dv.defined()) return matmul(v * unsqueeze(dw, -2), matrix_transpose(v));
  Tensor inner = diag_embed(or_zeros(dw, w)) +
                 skew(matmul(matrix_transpose(v), dv)) / distances(w, /*of_squares=*/false) * 0.5;
  return matmul(matmul(v, inner), matrix_transpose(v));
}

Eigh eigh_lower(const Tensor& x) {
  int64_t n = x.size(-1);
  Results w = vector_results(x, n);
  Results v = matrix_results(x, n, n);
  linalg_kernels(x.data()).eigh("eigh", matrices(x.data()), w.flat, v.flat);
  std::vector<Tensor> out =
      record_many("eigh", {w.whole, v.whole}, {x},
                  [sw = SavedResult(w.whole, 0), sv = SavedResult(v.whole, 1)](const Grads& dys,
                                                                               const Node& node) {
                    return Grads{eigh_grad(sw.get(node), sv.get(node), dys[0], dys[1])};
                  });
  return {out[0], out[1]};
}

// dx = v diag(dw) v^T
Tensor eigvalsh_lower(const Tensor& x) {
  Results w = vector_results(x, x.size(-1));
  linalg_kernels(x.data()).eigh("eigvalsh", matrices(x.data()), w.flat, {});
  return record("eigvalsh", w.whole, {x}, [sx = Saved(x)](const Tensor& dw, const Node& node) {
    Tensor v = eigh_lower(sx.get(node)).eigenvectors;
    return Grads{matmul(v * unsqueeze(dw, -2), matrix_transpose(v))};
  });
}

}  // namespace

Tensor cholesky(TensorArg x, bool upper) {
  const Composed scope;
  check_square("cholesky", x);
  return upper ? matrix_transpose(cholesky_lower(matrix_transpose(x))) : cholesky_lower(x);
}

Qr qr(TensorArg x, QrMode mode) {
  check_matrices("qr", x);
  int64_t m = x.size(-2);
  int64_t n = x.size(-1);
  bool complete = mode == QrMode::complete;
  Results q = matrix_results(x, m, complete ? m : std::min(m, n));
  Results r = matrix_results(x, complete ? m : std::min(m, n), n);
  linalg_kernels(x.data()).qr(matrices(x.data()), q.flat, r.flat);
  std::vector<Tensor> out = record_many(
      "qr", {q.whole, r.whole}, {x},
      [sx = Saved(x), sq = SavedResult(q.whole, 0), sr = SavedResult(r.whole, 1), complete](
          const Grads& dys, const Node& node) {
        Tensor x = sx.get(node);
        TESSERA_CHECK(!complete || x.size(-2) <= x.size(-1),
                      "[qr] a complete decomposition of more rows than columns has no gradient, "
                      "got shape {}",
                      x.shape());
        Tensor q = sq.get(node);
        Tensor r = sr.get(node);
        return Grads{qr_grad(x, q, r, or_zeros(dys[0], q), or_zeros(dys[1], r))};
      });
  return {out[0], out[1]};
}

Svd svd(TensorArg x, bool full_matrices) {
  check_matrices("svd", x);
  int64_t m = x.size(-2);
  int64_t n = x.size(-1);
  int64_t k = std::min(m, n);
  Results u = matrix_results(x, m, full_matrices ? m : k);
  Results s = vector_results(x, k);
  Results vh = matrix_results(x, full_matrices ? n : k, n);
  linalg_kernels(x.data()).svd("svd", matrices(x.data()), u.flat, s.flat, vh.flat);
  std::vector<Tensor> out =
      record_many("svd", {u.whole, s.whole, vh.whole}, {x},
                  [k, su = SavedResult(u.whole, 0), ss = SavedResult(s.whole, 1),
                   sv = SavedResult(vh.whole, 2)](const Grads& dys, const Node& node) {
                    return Grads{svd_grad(first_columns(su.get(node), k), ss.get(node),
                                          first_rows(sv.get(node), k), first_columns(dys[0], k),
                                          dys[1], first_rows(dys[2], k))};
                  });
  return {out[0], out[1], out[2]};
}

// dx = u diag(ds) vh
Tensor svdvals(TensorArg x) {
  check_matrices("svdvals", x);
  Results s = vector_results(x, std::min(x.size(-2), x.size(-1)));
  linalg_kernels(x.data()).svd("svdvals", matrices(x.data()), {}, s.flat, {});
  return record("svdvals", s.whole, {x}, [sx = Saved(x)](const Tensor& ds, const Node& node) {
    Svd factors = svd(sx.get(node), false);
    return Grads{matmul(factors.u * unsqueeze(ds, -2), factors.vh)};
  });
}

Eigh eigh(TensorArg x, bool upper) {
  const Composed scope;
  check_square("eigh", x);
  return eigh_lower(upper ? matrix_transpose(x) : Tensor(x));
}

Tensor eigvalsh(TensorArg x, bool upper) {
  const Composed scope;
  check_square("eigvalsh", x);
  return eigvalsh_lower(upper ? matrix_transpose(x) : Tensor(x));
}

}  // namespace tessera
