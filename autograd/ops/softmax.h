// Softmax and its logarithm.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// Along one dim: the results are positive and sum to 1.
Tensor softmax(TensorArg x, int64_t dim = -1);
Tensor log_softmax(TensorArg x, int64_t dim = -1);

}  // namespace tessera
