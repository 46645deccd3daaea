// Matrices that have no inverse, by their singular values: those of torch.linalg. x is (..., m, n)
// of f32 or f64, a batch of matrices in its leading dims. Singular values of at most max(atol, rtol
// times the largest) count as 0; rtol is epsilon max(m, n) where neither is given, and 0 beside an
// atol above 0.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

struct RankTolerance {
  std::optional<double> atol = {};
  std::optional<double> rtol = {};
};

// The Moore-Penrose inverse, (..., n, m). Its gradient is right where the rank stays what it is.
// For a hermitian (here: symmetric) x its lower triangle is read, and eigenvalues' magnitudes are
// the singular values.
Tensor pinv(TensorArg x, const RankTolerance& tolerance = {}, bool hermitian = false);
// How many singular values count: i64 of the batch's shape.
Tensor matrix_rank(TensorArg x, const RankTolerance& tolerance = {}, bool hermitian = false);

// The least |a x - b|, and of those the least |x|: a (..., m, n), b (..., m, r) or, of a's shape
// without the last dim, vectors; leading dims broadcast. Singular values of a of at most rcond
// (epsilon max(m, n) if not given) times the largest count as 0.
struct LstSq {
  Tensor solution;
  // sum((a x - b)^2) over rows where m > n and every matrix has the rank n, else (0,).
  Tensor residuals;
  Tensor rank;  // i64 of the shape of a's batch
};
LstSq lstsq(TensorArg a, TensorArg b, std::optional<double> rcond = {});

// The condition number of square matrices: |x| |x^-1| in the norm 1 (the largest sum of magnitudes
// in a column), infinity (in a row), or -1 and -infinity (the smallest); infinite for a singular x.
// And of any matrices, the largest singular value over the smallest, p = 2, or the reverse, -2.
Tensor cond(TensorArg x, double p = 2);

}  // namespace tessera
