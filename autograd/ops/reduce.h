// Sums over dims.
#pragma once

#include "autograd/tensor.h"

namespace tessera {

// Over all elements: a zero-dimensional tensor.
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);
// Over `dims`, which stay as sizes of 1 if keepdim. No dims: over all.
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim = false);
Tensor mean(const Tensor& x, const Dims& dims, bool keepdim = false);
// Undoes a broadcast: the sum over the dims in which x was grown from `shape`.
Tensor sum_to(const Tensor& x, const Dims& shape);

}  // namespace tessera
