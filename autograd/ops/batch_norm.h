// Normalization of channels. x (N, C, ...) is floating; 16-bit floats are computed in f32 and
// rounded once, and what belongs to channels may then be f32. weight and bias (C,) may be left out
// (ones and zeros). An image that is channels last in memory gives one that is. Sizes that do not
// fit are errors naming the operation.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// (x - mean) / sqrt(var + eps) * weight + bias for each channel (Ioffe and Szegedy 2015). In
// training, mean and biased variance are those of x over all dims but the channels', and
// running_mean and running_var (C,), where given, move by `momentum` towards the mean and the
// unbiased variance, in place: at least two values per channel are needed. Otherwise they are the
// running ones. They have no gradient.
Tensor batch_norm(TensorArg x, TensorArg running_mean, TensorArg running_var, TensorArg weight = {},
                  TensorArg bias = {}, bool training = false, double momentum = 0.1,
                  double eps = 1e-5);

// The same for each channel of each sample by itself: x (N, C, positions...), more than one
// position (Ulyanov, Vedaldi and Lempitsky 2016). The running statistics move towards the means
// over the samples, and are used instead unless use_input_stats.
Tensor instance_norm(TensorArg x, TensorArg running_mean = {}, TensorArg running_var = {},
                     TensorArg weight = {}, TensorArg bias = {}, bool use_input_stats = true,
                     double momentum = 0.1, double eps = 1e-5);

}  // namespace tessera
