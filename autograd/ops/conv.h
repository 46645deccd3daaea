// Convolution. x is f32, f64, bf16 or f16 (computed in f32), or of integers, which wrap around;
// weight and bias of its dtype. The batch may be missing from x and the result. Sizes that do not
// fit are errors naming the operation.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// PyTorch's padding by name: none, or as many zeros as let a result of stride 1 have x's sizes
// (where their number is odd, one more behind).
enum class ConvPadding { valid, same };

// x (N, C, H, W), weight (O, C / groups, KH, KW), bias (O,) or undefined -> (N, O, OH, OW), with
// OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1. stride, padding and dilation hold one
// number for both dims, or one for each. The result is channels last in memory when x is; that
// layout is the fast one.
Tensor conv2d(TensorArg x, TensorArg weight, TensorArg bias = {}, const Dims& stride = {1},
              const Dims& padding = {0}, const Dims& dilation = {1}, int64_t groups = 1);
Tensor conv2d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
              ConvPadding padding, const Dims& dilation = {1}, int64_t groups = 1);

// x (N, C, L), weight (O, C / groups, K), bias (O,) or undefined -> (N, O, OL).
Tensor conv1d(TensorArg x, TensorArg weight, TensorArg bias = {}, int64_t stride = 1,
              int64_t padding = 0, int64_t dilation = 1, int64_t groups = 1);
Tensor conv1d(TensorArg x, TensorArg weight, TensorArg bias, int64_t stride, ConvPadding padding,
              int64_t dilation = 1, int64_t groups = 1);

// The gradient of conv2d's input as an operation: x (N, C, H, W), weight (C, O / groups, KH, KW),
// bias (O,) or undefined -> (N, O, OH, OW), with OH = (H - 1) stride - 2 padding +
// dilation (KH - 1) + output_padding + 1; output_padding below stride or dilation.
Tensor conv_transpose2d(TensorArg x, TensorArg weight, TensorArg bias = {},
                        const Dims& stride = {1}, const Dims& padding = {0},
                        const Dims& output_padding = {0}, int64_t groups = 1,
                        const Dims& dilation = {1});

// x (N, C, L), weight (C, O / groups, K), bias (O,) or undefined -> (N, O, OL).
Tensor conv_transpose1d(TensorArg x, TensorArg weight, TensorArg bias = {}, int64_t stride = 1,
                        int64_t padding = 0, int64_t output_padding = 0, int64_t groups = 1,
                        int64_t dilation = 1);

}  // namespace tessera
