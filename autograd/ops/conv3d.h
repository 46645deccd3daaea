// Convolution of volumes, as conv.h has it for images: of planes, with the kernel's planes as
// channels of theirs, so that all products of an element add up in one matrix product. Lists of
// sizes hold one number for all dims, or one for each.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// x (N, C, D, H, W), weight (O, C / groups, KD, KH, KW), bias (O,) or undefined -> (N, O, OD, OH,
// OW), each size as conv2d's.
Tensor conv3d(TensorArg x, TensorArg weight, TensorArg bias = {}, const Dims& stride = {1},
              const Dims& padding = {0}, const Dims& dilation = {1}, int64_t groups = 1);

// x (N, C, D, H, W), weight (C, O / groups, KD, KH, KW), bias (O,) or undefined -> (N, O, OD, OH,
// OW), each size as conv_transpose2d's.
Tensor conv_transpose3d(TensorArg x, TensorArg weight, TensorArg bias = {},
                        const Dims& stride = {1}, const Dims& padding = {0},
                        const Dims& output_padding = {0}, int64_t groups = 1,
                        const Dims& dilation = {1});

}  // namespace tessera
