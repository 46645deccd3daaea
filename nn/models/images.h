// What models of images do with a batch.
#pragma once

#include "nn/data/dataset.h"

namespace tessera::nn {

// batch.images (B, ...) as (B, channels, size, size) of that dtype. An Error beginning with [model]
// where there are none, or where a sample has another number of numbers.
Tensor images_of(const data::Batch& batch, const char* model, int64_t channels, int64_t size,
                 DType dtype);

// x (N, C, H, W), the same elements, channels last in memory: the layout that convolutions and
// norms are fast in, and keep.
Tensor channels_last(const Tensor& x);

// Independent standard normal numbers of x's shape and dtype, on its device.
Tensor noise_like(const Tensor& x);

}  // namespace tessera::nn
