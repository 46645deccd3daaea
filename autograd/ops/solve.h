// Linear equations with square matrices, and what comes of the same factors: those of torch.linalg.
// a is (..., n, n) of f32 or f64, a batch of matrices in its leading dims.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// a x = b for b (..., n, r), or for vectors b: (n,), or of a's shape without the last dim. Without
// `left`, x a = b for b (..., r, n). Leading dims broadcast. An error where a is singular.
Tensor solve(TensorArg a, TensorArg b, bool left = true);
// The same for an a of which one triangle is read and the other counts as 0; if unitriangular its
// diagonal counts as 1. No vectors. A 0 in the diagonal gives infinities and NaN, not an error.
Tensor solve_triangular(TensorArg a, TensorArg b, bool upper, bool left = true,
                        bool unitriangular = false);
// An error where a is singular.
Tensor inv(TensorArg a);

// Of a singular matrix 0, whose gradient is right too.
Tensor det(TensorArg a);
// det = sign exp(logabsdet); of a singular matrix 0 and -infinity, without a gradient of any use.
struct SlogDet {
  Tensor sign;
  Tensor logabsdet;
};
SlogDet slogdet(TensorArg a);

}  // namespace tessera
