// Pooling over images (N, C, H, W) or sequences (N, C, L), f32, f64, bf16 or f16; the batch may be
// missing. Lists of sizes hold one number for both dims, or one for each; an empty stride is the
// kernel's size. With ceil_mode a last window that begins inside the input or its left padding
// counts too. Sizes that do not fit are errors naming the operation.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// The largest element of each window, and a place for it: the index counted row by row in the
// input's plane, i64. NaN is the largest; of equals the first is chosen and gets the gradient.
// Integers as well.
struct MaxPool {
  Tensor values, indices;
};
MaxPool max_pool2d_with_indices(TensorArg x, const Dims& kernel, const Dims& stride = {},
                                const Dims& padding = {0}, const Dims& dilation = {1},
                                bool ceil_mode = false);
Tensor max_pool2d(TensorArg x, const Dims& kernel, const Dims& stride = {},
                  const Dims& padding = {0}, const Dims& dilation = {1}, bool ceil_mode = false);
// A stride of 0 is the kernel's size.
MaxPool max_pool1d_with_indices(TensorArg x, int64_t kernel, int64_t stride = 0,
                                int64_t padding = 0, int64_t dilation = 1, bool ceil_mode = false);
Tensor max_pool1d(TensorArg x, int64_t kernel, int64_t stride = 0, int64_t padding = 0,
                  int64_t dilation = 1, bool ceil_mode = false);

// Means of windows; the padding's zeros are counted unless count_include_pad is false. In two dims
// the sums are divided by divisor_override where it is given, which is not 0. Those of i64 are cut
// off to integers.
Tensor avg_pool2d(TensorArg x, const Dims& kernel, const Dims& stride = {},
                  const Dims& padding = {0}, bool ceil_mode = false, bool count_include_pad = true,
                  std::optional<int64_t> divisor_override = {});
Tensor avg_pool1d(TensorArg x, int64_t kernel, int64_t stride = 0, int64_t padding = 0,
                  bool ceil_mode = false, bool count_include_pad = true);

// The sizes of an adaptive pooling's result, one for both dims or one for each; `none` is the
// input's: adaptive_avg_pool2d(x, {none, 3}).
class AdaptiveSize {
 public:
  AdaptiveSize(const Dims& sizes) : sizes_(sizes.begin(), sizes.end()) {}
  AdaptiveSize(std::initializer_list<std::optional<int64_t>> sizes) : sizes_(sizes) {}
  const std::vector<std::optional<int64_t>>& get() const { return sizes_; }

 private:
  std::vector<std::optional<int64_t>> sizes_;
};

// Windows that divide the input into out_size parts, which may overlap by one element.
Tensor adaptive_avg_pool2d(TensorArg x, const AdaptiveSize& out_size);
Tensor adaptive_avg_pool1d(TensorArg x, int64_t out_size);
MaxPool adaptive_max_pool2d_with_indices(TensorArg x, const AdaptiveSize& out_size);
Tensor adaptive_max_pool2d(TensorArg x, const AdaptiveSize& out_size);
MaxPool adaptive_max_pool1d_with_indices(TensorArg x, int64_t out_size);
Tensor adaptive_max_pool1d(TensorArg x, int64_t out_size);

}  // namespace tessera
