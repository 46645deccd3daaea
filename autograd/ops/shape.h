// Views and copies: other shapes of the same elements. As Array's members of the same names.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

Tensor reshape(TensorArg x, const Dims& shape);
Tensor transpose(TensorArg x, int64_t dim0, int64_t dim1);
Tensor permute(TensorArg x, const Dims& dims);
Tensor expand(TensorArg x, const Dims& shape);
Tensor slice(TensorArg x, int64_t dim, int64_t start, int64_t stop, int64_t step = 1);
Tensor select(TensorArg x, int64_t dim, int64_t index);
Tensor unsqueeze(TensorArg x, int64_t dim);
Tensor squeeze(TensorArg x, int64_t dim);
Tensor contiguous(TensorArg x);
// Converted; the gradient is converted back.
Tensor to(TensorArg x, DType dtype);

}  // namespace tessera
