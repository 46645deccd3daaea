// Views and copies: other shapes of the same elements. As Array's members of the same names.
#pragma once

#include <concepts>
#include <initializer_list>

#include "autograd/tensor_arg.h"

namespace tessera {

Tensor reshape(TensorArg x, const Dims& shape);
template <std::integral T>
Tensor reshape(TensorArg x, T size) {
  return reshape(x, Dims{static_cast<int64_t>(size)});
}
Tensor transpose(TensorArg x, int64_t dim0, int64_t dim1);
Tensor permute(TensorArg x, const Dims& dims);
Tensor expand(TensorArg x, const Dims& shape);
Tensor slice(TensorArg x, int64_t dim, int64_t start, int64_t stop, int64_t step = 1);
Tensor select(TensorArg x, int64_t dim, int64_t index);
Tensor unsqueeze(TensorArg x, int64_t dim);
Tensor squeeze(TensorArg x, int64_t dim);
Tensor contiguous(TensorArg x);

// A view, or an error when the strides allow none. One size may be -1.
Tensor view(TensorArg x, const Dims& shape);
// As expand, but every size is given.
Tensor broadcast_to(TensorArg x, const Dims& shape);
Tensor squeeze(TensorArg x);
Tensor squeeze(TensorArg x, const Dims& dims);
// Those of core/shape.h.
Tensor flatten(TensorArg x, int64_t start = 0, int64_t end = -1);
Tensor unflatten(TensorArg x, int64_t dim, const Dims& sizes);
Tensor moveaxis(TensorArg x, const Dims& from, const Dims& to);
Tensor narrow(TensorArg x, int64_t dim, int64_t start, int64_t length);
std::vector<Tensor> split(TensorArg x, int64_t size, int64_t dim = 0);
std::vector<Tensor> split(TensorArg x, const Dims& sizes, int64_t dim = 0);
// For split(x, {2}): without this one {2} would be a number before it is a list.
inline std::vector<Tensor> split(TensorArg x, std::initializer_list<int64_t> sizes,
                                 int64_t dim = 0) {
  return split(x, Dims(sizes), dim);
}
std::vector<Tensor> chunk(TensorArg x, int64_t count, int64_t dim = 0);
std::vector<Tensor> unbind(TensorArg x, int64_t dim = 0);
Tensor diagonal(TensorArg x, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
Tensor unfold(TensorArg x, int64_t dim, int64_t size, int64_t step);

// Converted; the gradient is converted back.
Tensor to(TensorArg x, DType dtype);

}  // namespace tessera
