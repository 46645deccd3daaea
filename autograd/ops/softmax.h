// Softmax and its logarithm.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// Along one dim: the results are positive and sum to 1. x is floating, and 16-bit floats are
// computed in f32 and rounded once; with a dtype, x is converted to it first, whatever it is.
Tensor softmax(TensorArg x, int64_t dim = -1, std::optional<DType> dtype = std::nullopt);
// softmax(-x)
Tensor softmin(TensorArg x, int64_t dim = -1, std::optional<DType> dtype = std::nullopt);
Tensor log_softmax(TensorArg x, int64_t dim = -1, std::optional<DType> dtype = std::nullopt);

}  // namespace tessera
