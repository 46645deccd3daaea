// Softmax and its logarithm.
#pragma once

#include "autograd/tensor.h"

namespace tessera {

// Along one dim: the results are positive and sum to 1.
Tensor softmax(const Tensor& x, int64_t dim = -1);
Tensor log_softmax(const Tensor& x, int64_t dim = -1);

}  // namespace tessera
