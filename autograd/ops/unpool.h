// What undoes a pooling by maxima, and pooling by p-norms.
#pragma once

#include "autograd/ops/pool.h"

namespace tessera {

// x's elements at the places that max_poolNd_with_indices gave with them, zeros elsewhere: x and
// indices (i64) of one shape, (N, C, ...) or without the batch; of two elements with one place the
// last stays. An empty output_size is (size - 1) stride - 2 padding + kernel for each dim; one that
// is given is less than a stride away from that. Floating.
Tensor max_unpool1d(TensorArg x, TensorArg indices, int64_t kernel, int64_t stride = 0,
                    int64_t padding = 0, const Dims& output_size = {});
Tensor max_unpool2d(TensorArg x, TensorArg indices, const Dims& kernel, const Dims& stride = {},
                    const Dims& padding = {0}, const Dims& output_size = {});
Tensor max_unpool3d(TensorArg x, TensorArg indices, const Dims& kernel, const Dims& stride = {},
                    const Dims& padding = {0}, const Dims& output_size = {});

// (sum of x^p over each window)^(1/p); an infinite p has the largest |x|, minus infinity the
// smallest. Where the sum is 0 the gradient is that of the root there, which may be a NaN.
Tensor lp_pool1d(TensorArg x, double norm_type, int64_t kernel, int64_t stride = 0,
                 bool ceil_mode = false);
Tensor lp_pool2d(TensorArg x, double norm_type, const Dims& kernel, const Dims& stride = {},
                 bool ceil_mode = false);
Tensor lp_pool3d(TensorArg x, double norm_type, const Dims& kernel, const Dims& stride = {},
                 bool ceil_mode = false);

}  // namespace tessera
