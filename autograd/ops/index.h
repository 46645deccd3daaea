// Elements by index along a dim. Those of core/index.h; indices are i64 or i32.
#pragma once

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

Tensor gather(TensorArg x, int64_t dim, TensorArg index);
Tensor take_along_dim(TensorArg x, TensorArg index, int64_t dim);
// x with source's elements at index. Where an index occurs twice the last one stays, and both get
// the gradient, as in PyTorch.
Tensor scatter(TensorArg x, int64_t dim, TensorArg index, TensorArg source);
Tensor scatter(TensorArg x, int64_t dim, TensorArg index, Scalar value);
Tensor scatter_add(TensorArg x, int64_t dim, TensorArg index, TensorArg source);
Tensor index_select(TensorArg x, int64_t dim, TensorArg index);
Tensor index_add(TensorArg x, int64_t dim, TensorArg index, TensorArg source);
// The same, in place.
const Tensor& scatter_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source);
const Tensor& scatter_add_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source);
const Tensor& index_add_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source);

Tensor masked_select(TensorArg x, TensorArg mask);
// Constants: they have no gradient.
Tensor nonzero(TensorArg x);
// out[..., c] = 1 where index[...] = c, else 0: i64 of (index shape, num_classes). -1 classes: one
// more than the largest index.
Tensor one_hot(TensorArg index, int64_t num_classes = -1);

// out[b..., rest...] = x[indices[0][b...], ..., rest...], and x with such elements replaced by
// values (which broadcast), or with values added to them.
Tensor take_indices(TensorArg x, const std::vector<Array>& indices);
Tensor put_indices(TensorArg x, const std::vector<Array>& indices, TensorArg values,
                   bool accumulate);

}  // namespace tessera
