// Functions of square matrices, made of products: those of torch.linalg. x is (..., n, n).
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// x x ... x, n times; ones on the diagonal for n = 0, and of the inverse for a negative n (f32 and
// f64, an error where x is singular). Any dtype but bool.
Tensor matrix_power(TensorArg x, int64_t n);
// I + x + x x / 2 + x x x / 6 + ..., of f32 or f64.
Tensor matrix_exp(TensorArg x);

}  // namespace tessera
