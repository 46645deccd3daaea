// ReLU with a slope that is drawn below zero.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// x above zero, and below it x times a slope: when training one for each element, uniform in
// [lower, upper) and drawn as dropout's numbers are, otherwise their mean (Xu et al. 2015).
// Floating; lower is at most upper.
Tensor rrelu(TensorArg x, double lower = 1.0 / 8, double upper = 1.0 / 3, bool training = false);

}  // namespace tessera
