// Views and copies: other shapes of the same elements. As Array's members of the same names.
#pragma once

#include "autograd/tensor.h"

namespace tessera {

Tensor reshape(const Tensor& x, const Dims& shape);
Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1);
Tensor permute(const Tensor& x, const Dims& dims);
Tensor expand(const Tensor& x, const Dims& shape);
Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t stop, int64_t step = 1);
Tensor select(const Tensor& x, int64_t dim, int64_t index);
Tensor unsqueeze(const Tensor& x, int64_t dim);
Tensor squeeze(const Tensor& x, int64_t dim);
Tensor contiguous(const Tensor& x);
// Converted; the gradient is converted back.
Tensor to(const Tensor& x, DType dtype);

}  // namespace tessera
