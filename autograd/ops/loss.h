// Losses.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

enum class Reduction { none, sum, mean };

// -log softmax(logits)[target]: logits (..., C), targets i64 of the leading shape. A target outside
// [0, C) is an error. none keeps the leading shape, sum and mean are zero-dimensional.
Tensor cross_entropy(TensorArg logits, TensorArg targets, Reduction reduction = Reduction::mean);

}  // namespace tessera
