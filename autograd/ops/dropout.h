// Dropout of whole channels, and dropout that keeps mean and variance, as PyTorch defines them. x
// is floating; 16-bit floats are computed in f32 and rounded once. Each gives x itself when not
// training or p is 0. p in [0, 1].
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// Zeroes channels of samples with probability p and scales the others by 1 / (1 - p) (Tompson et
// al. 2015): x (N, C, L), (N, C, H, W), (N, C, D, H, W). The batch may be missing in one and three
// dims; for images it may not, for PyTorch takes (C, H, W) there as (N, C, L).
Tensor dropout1d(TensorArg x, double p = 0.5, bool training = true);
Tensor dropout2d(TensorArg x, double p = 0.5, bool training = true);
Tensor dropout3d(TensorArg x, double p = 0.5, bool training = true);

// For inputs of mean 0 and variance 1, as selu gives them (Klambauer et al. 2017): elements that
// are dropped become selu's limit on the left, and all are then scaled and shifted back.
Tensor alpha_dropout(TensorArg x, double p = 0.5, bool training = false);
// The same for whole channels: x (N, C, ...).
Tensor feature_alpha_dropout(TensorArg x, double p = 0.5, bool training = false);

}  // namespace tessera
