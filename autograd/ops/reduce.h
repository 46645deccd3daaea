// Sums over dims.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// Over all elements: a zero-dimensional tensor.
Tensor sum(TensorArg x);
Tensor mean(TensorArg x);
// Over `dims`, which stay as sizes of 1 if keepdim. No dims: over all.
Tensor sum(TensorArg x, const Dims& dims, bool keepdim = false);
Tensor mean(TensorArg x, const Dims& dims, bool keepdim = false);
// Undoes a broadcast: the sum over the dims in which x was grown from `shape`.
Tensor sum_to(TensorArg x, const Dims& shape);

}  // namespace tessera
