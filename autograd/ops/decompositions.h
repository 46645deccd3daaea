// Matrices as products of simpler ones: those of torch.linalg. x is (..., m, n) of f32 or f64, a
// batch of matrices in its leading dims; k = min(m, n). Vectors of svd and eigh are certain but for
// their sign (where values are equal, for a rotation), and so are gradients only those of functions
// that do not depend on it. Where a gradient divides by the distance of two values, equal ones give
// infinities or NaN, as in PyTorch.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// x = l l^T for symmetric positive definite x (..., n, n), of which the lower triangle is read: l
// is lower triangular. If `upper`, x = u^T u, and the upper triangle is read. An error where x is
// not positive definite.
Tensor cholesky(TensorArg x, bool upper = false);

enum class QrMode { reduced, complete };
// x = q r with orthonormal columns of q (..., m, k) and an upper triangular r (..., k, n);
// complete: q (..., m, m), r (..., m, n), which has no gradient where m > n.
struct Qr {
  Tensor q;
  Tensor r;
};
Qr qr(TensorArg x, QrMode mode = QrMode::reduced);

// x = u diag(s) vh with s (..., k) descending: u (..., m, m), vh (..., n, n), or without
// full_matrices u (..., m, k), vh (..., k, n). The gradients of vectors beyond the first k are not
// read: they may be any that fit. An error for a number that is not finite.
struct Svd {
  Tensor u;
  Tensor s;
  Tensor vh;
};
Svd svd(TensorArg x, bool full_matrices = true);
// s alone.
Tensor svdvals(TensorArg x);

// x = v diag(w) v^T for symmetric x (..., n, n), of which the lower triangle is read, or if `upper`
// the upper one: w (..., n) ascending, eigenvectors in the columns of v (..., n, n). The gradient
// is symmetric. An error for a number that is not finite.
struct Eigh {
  Tensor eigenvalues;
  Tensor eigenvectors;
};
Eigh eigh(TensorArg x, bool upper = false);
Tensor eigvalsh(TensorArg x, bool upper = false);

}  // namespace tessera
