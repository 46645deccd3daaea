// What a training step minimizes.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera::nn {

// A sum over samples (or tokens) and how many there are: the mean over a whole batch is then right
// however the batch was cut.
struct Loss {
  Tensor sum;         // zero-dimensional
  double weight = 0;  // what the sums of all leaves are divided by
};

// Of logits (..., C) against targets i64 of the leading shape.
Loss cross_entropy_loss(TensorArg logits, TensorArg targets);

}  // namespace tessera::nn
