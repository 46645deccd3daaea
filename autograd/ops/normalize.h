// Normalization.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// (x - mean) / sqrt(var + eps) * weight + bias over the last dim, with the biased variance (Ba,
// Kiros and Hinton 2016). x (..., N), weight and bias (N,).
Tensor layer_norm(TensorArg x, TensorArg weight, TensorArg bias, double eps = 1e-5);

}  // namespace tessera
