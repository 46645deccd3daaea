// Normalization of each sample by itself. x is floating; 16-bit floats are computed in f32 and
// rounded once, and their weights may be f32. weight and bias may be left out (ones and zeros).
// Sizes that do not fit are errors naming the operation.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// (x - mean) / sqrt(var + eps) * weight + bias over the last dims of x, whose sizes are
// normalized_shape, with the biased variance (Ba, Kiros and Hinton 2016). weight and bias are of
// normalized_shape.
Tensor layer_norm(TensorArg x, const Dims& normalized_shape, TensorArg weight = {},
                  TensorArg bias = {}, double eps = 1e-5);

// x / sqrt(mean(x^2) + eps) * weight over the same dims (Zhang and Sennrich 2019). Without an eps,
// that of the dtype it is computed in: the distance from 1 to the next number. The weight may be of
// any dtype.
Tensor rms_norm(TensorArg x, const Dims& normalized_shape, TensorArg weight = {},
                std::optional<double> eps = std::nullopt);

// Layer norm over num_groups equal groups of channels and all their positions: x (N, C, ...),
// weight and bias (C,) (Wu and He 2018). num_groups divides C.
Tensor group_norm(TensorArg x, int64_t num_groups, TensorArg weight = {}, TensorArg bias = {},
                  double eps = 1e-5);

// x / (k + alpha mean(x^2))^beta, the mean over `size` channels around each, those outside being
// zeros: x (N, C, positions...) (Krizhevsky, Sutskever and Hinton 2012).
Tensor local_response_norm(TensorArg x, int64_t size, double alpha = 1e-4, double beta = 0.75,
                           double k = 1);

}  // namespace tessera
