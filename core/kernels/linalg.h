// Factors of matrices, and what is solved with them. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

// Matrices are f32 or f64 and row-major, B of them in each array; k = min(m, n). Results where no
// line says more are those of LAPACK, one thread a matrix. Content that an algorithm cannot handle
// is an error that names op and the first such matrix.
class LinalgFamily {
 public:
  virtual ~LinalgFamily() = default;
  // a = l l^T, of whose (B, n, n) the lower triangle is read; l is 0 above its diagonal. An error
  // where a is not positive definite, a NaN included.
  virtual void cholesky(const char* op, const Array& a, const Array& l) const = 0;
  // p a = l u by partial pivoting: a (B, n, n), pivots (B, n) of i32, from 1: row i was swapped
  // with row pivots[i]. lu is transposed: below its diagonal is u, above it l, whose own is of
  // ones. u has a 0 in its diagonal where a is singular.
  virtual void lu(const Array& a, const Array& lu, const Array& pivots) const = 0;
  // a x = b, or a^T x = b, by those factors: b and x (B, n, r). Zeros in the diagonal of u give
  // infinities and NaN.
  virtual void lu_solve(const Array& lu, const Array& pivots, const Array& b, bool transposed,
                        const Array& x) const = 0;
  // a x = b, of whose a (B, n, n) one triangle is read, and ones in the place of its diagonal if
  // `unit`: b and x (B, n, r). Zeros in the diagonal give infinities and NaN.
  virtual void solve_triangular(const Array& a, const Array& b, bool upper, bool unit,
                                const Array& x) const = 0;
  // a = q r: a (B, m, n), q (B, m, k) and r (B, k, n), or q (B, m, m) and r (B, m, n).
  virtual void qr(const Array& a, const Array& q, const Array& r) const = 0;
  // a = u diag(s) vh: a (B, m, n), s (B, k) descending, u (B, m, k) and vh (B, k, n), or u (B, m,
  // m) and vh (B, n, n), or both undefined. An error for a number that is not finite.
  virtual void svd(const char* op, const Array& a, const Array& u, const Array& s,
                   const Array& vh) const = 0;
  // a = v diag(w) v^T, of whose (B, n, n) the lower triangle is read: w (B, n) ascending, v
  // (B, n, n) or undefined. An error for a number that is not finite.
  virtual void eigh(const char* op, const Array& a, const Array& w, const Array& v) const = 0;
};

}  // namespace tessera
