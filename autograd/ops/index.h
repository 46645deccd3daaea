// Elements by index along a dim. Those of core/index.h; indices are i64 or i32.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"
#include "core/kernels/index.h"
#include "core/scalar.h"

namespace tessera {

Tensor gather(TensorArg x, int64_t dim, TensorArg index);
// Without a dim, of both flattened.
Tensor take_along_dim(TensorArg x, TensorArg index, std::optional<int64_t> dim = {});
// x with source's elements at index. Where an index occurs twice the last one stays, and both get
// the gradient, as in PyTorch.
Tensor scatter(TensorArg x, int64_t dim, TensorArg index, TensorArg source);
Tensor scatter(TensorArg x, int64_t dim, TensorArg index, Scalar value);
// x's elements with source's added, or multiplied by them. A product has no gradient, as in
// PyTorch: backward is an error.
Tensor scatter(TensorArg x, int64_t dim, TensorArg index, TensorArg source, ScatterOp reduce);
Tensor scatter(TensorArg x, int64_t dim, TensorArg index, Scalar value, ScatterOp reduce);
Tensor scatter_add(TensorArg x, int64_t dim, TensorArg index, TensorArg source);
Tensor index_select(TensorArg x, int64_t dim, TensorArg index);
// x with alpha times source added; alpha is an integer where x is.
Tensor index_add(TensorArg x, int64_t dim, TensorArg index, TensorArg source, Scalar alpha = 1);
// The same, in place.
const Tensor& scatter_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source);
const Tensor& scatter_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source,
                       ScatterOp reduce);
const Tensor& scatter_add_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source);
const Tensor& index_add_(const Tensor& x, int64_t dim, TensorArg index, TensorArg source,
                         Scalar alpha = 1);

Tensor masked_select(TensorArg x, TensorArg mask);
// Constants: they have no gradient.
Tensor nonzero(TensorArg x);
// nonzero(x, as_tuple): one tensor of indices for each dim, with which index(x, ...) finds them; of
// a zero-dimensional x, one.
struct AsTuple {};
inline constexpr AsTuple as_tuple{};
std::vector<Tensor> nonzero(TensorArg x, AsTuple form);
// out[..., c] = 1 where index[...] = c, else 0: i64 of (index shape, num_classes). -1 classes: one
// more than the largest index.
Tensor one_hot(TensorArg index, int64_t num_classes = -1);

// out[b..., rest...] = x[indices[0][b...], ..., rest...], and x with such elements replaced by
// values (which broadcast), or with values added to them.
Tensor take_indices(TensorArg x, const std::vector<Array>& indices);
Tensor put_indices(TensorArg x, const std::vector<Array>& indices, TensorArg values,
                   bool accumulate);

}  // namespace tessera
