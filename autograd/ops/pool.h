// Pooling over images (N, C, H, W) or sequences (N, C, L), f32, f64, bf16 or f16. Lists of sizes
// hold one number for both dims, or one for each; an empty stride is the kernel's size. With
// ceil_mode a last window that begins inside the input or its left padding counts too. Sizes that
// do not fit are errors naming the operation.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// The largest element of each window, and a place for it: the index counted row by row in the
// input's plane, i64. NaN is the largest; of equals the first is chosen and gets the gradient.
struct MaxPool {
  Tensor values, indices;
};
MaxPool max_pool2d_with_indices(TensorArg x, const Dims& kernel, const Dims& stride = {},
                                const Dims& padding = {0}, const Dims& dilation = {1},
                                bool ceil_mode = false);
Tensor max_pool2d(TensorArg x, const Dims& kernel, const Dims& stride = {},
                  const Dims& padding = {0}, const Dims& dilation = {1}, bool ceil_mode = false);
// A stride of 0 is the kernel's size.
Tensor max_pool1d(TensorArg x, int64_t kernel, int64_t stride = 0, int64_t padding = 0,
                  int64_t dilation = 1, bool ceil_mode = false);

// Means of windows; the padding's zeros are counted unless count_include_pad is false.
Tensor avg_pool2d(TensorArg x, const Dims& kernel, const Dims& stride = {},
                  const Dims& padding = {0}, bool ceil_mode = false, bool count_include_pad = true);
Tensor avg_pool1d(TensorArg x, int64_t kernel, int64_t stride = 0, int64_t padding = 0,
                  bool ceil_mode = false, bool count_include_pad = true);

// Windows that divide the input into out_size parts, which may overlap by one element.
Tensor adaptive_avg_pool2d(TensorArg x, const Dims& out_size);
Tensor adaptive_avg_pool1d(TensorArg x, int64_t out_size);
Tensor adaptive_max_pool2d(TensorArg x, const Dims& out_size);

}  // namespace tessera
