// Pooling over volumes (N, C, D, H, W), as pool.h does over images: of every plane (H, W), and then
// along D. Lists of sizes hold one number for all dims, or one for each.
#pragma once

#include "autograd/ops/pool.h"

namespace tessera {

// Indices are counted plane by plane and row by row in the input's volume.
MaxPool max_pool3d_with_indices(TensorArg x, const Dims& kernel, const Dims& stride = {},
                                const Dims& padding = {0}, const Dims& dilation = {1},
                                bool ceil_mode = false);
Tensor max_pool3d(TensorArg x, const Dims& kernel, const Dims& stride = {},
                  const Dims& padding = {0}, const Dims& dilation = {1}, bool ceil_mode = false);

// Floating.
Tensor avg_pool3d(TensorArg x, const Dims& kernel, const Dims& stride = {},
                  const Dims& padding = {0}, bool ceil_mode = false, bool count_include_pad = true,
                  std::optional<int64_t> divisor_override = {});

Tensor adaptive_avg_pool3d(TensorArg x, const AdaptiveSize& out_size);
MaxPool adaptive_max_pool3d_with_indices(TensorArg x, const AdaptiveSize& out_size);
Tensor adaptive_max_pool3d(TensorArg x, const AdaptiveSize& out_size);

}  // namespace tessera
