// Matrix products.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// As in NumPy and PyTorch: (..., M, K) x (..., K, N) -> (..., M, N), leading dims broadcast; a
// vector on the left is a row, on the right a column, and its dim is dropped from the result. Both
// of one dtype, any but bool: bf16 and f16 add up in f32 and round once, integers wrap around.
Tensor matmul(TensorArg a, TensorArg b);

// x weight^T + bias: x (..., in), weight (out, in), bias (out,), one number or undefined ->
// (..., out); or, with a weight (in,) and no bias, -> (...).
Tensor linear(TensorArg x, TensorArg weight, TensorArg bias = {});

}  // namespace tessera
