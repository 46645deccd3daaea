// Elements of flattened tensors by index, and tensors with some elements replaced. Indices are i64
// or i32, negative ones count from the end, and one outside is an error; sources have x's dtype.
#pragma once

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// The elements of x flattened at index: of index's shape.
Tensor take(TensorArg x, TensorArg index);
// x with source's elements, as many as index has, at these places of x flattened, or added to what
// is there. Where an index occurs twice the last one stays, and both get the gradient.
Tensor put(TensorArg x, TensorArg index, TensorArg source, bool accumulate = false);

// x with the slices at index (of one dim or none) along dim replaced: by a number, a 0-d tensor, or
// source's slices.
Tensor index_fill(TensorArg x, int64_t dim, TensorArg index, Scalar value);
Tensor index_fill(TensorArg x, int64_t dim, TensorArg index, TensorArg value);
Tensor index_copy(TensorArg x, int64_t dim, TensorArg index, TensorArg source);

// x with the first elements of source, in row-major order, where mask (bool) is true: x and mask
// broadcast. source has at least that many.
Tensor masked_scatter(TensorArg x, TensorArg mask, TensorArg source);

// The same, in place: mask broadcasts to self's shape.
const Tensor& put_(SelfArg self, TensorArg index, TensorArg source, bool accumulate = false);
const Tensor& index_fill_(SelfArg self, int64_t dim, TensorArg index, Scalar value);
const Tensor& index_fill_(SelfArg self, int64_t dim, TensorArg index, TensorArg value);
const Tensor& index_copy_(SelfArg self, int64_t dim, TensorArg index, TensorArg source);
const Tensor& masked_scatter_(SelfArg self, TensorArg mask, TensorArg source);

}  // namespace tessera
