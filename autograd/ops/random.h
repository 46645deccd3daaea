// Operations that draw random numbers, from the calling thread's Context.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// Zeroes elements with probability p and scales the others by 1 / (1 - p); x itself when not
// training or p is 0. p in [0, 1].
Tensor dropout(TensorArg x, double p, bool training);

// A constant of independent numbers.
Tensor randn(const Dims& shape, DType dtype = DType::f32);
Tensor rand(const Dims& shape, DType dtype = DType::f32);

}  // namespace tessera
