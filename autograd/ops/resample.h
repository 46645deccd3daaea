// A linear map of every plane of an image, which pooling by means and interpolation are.
#pragma once

#include "autograd/tensor.h"
#include "core/kernels/pool.h"

namespace tessera {

// x (N, C, H, W) -> (N, C, rows.size(), cols.size()); taps are inside H and W. 16-bit floats are
// computed in f32. The gradient is the transposed map.
Tensor resample(const char* op, const Tensor& x, const AxisMap& rows, const AxisMap& cols);

// The mean over each of the windows that divide `size` elements into `out_size` parts.
AxisMap adaptive_means(int64_t size, int64_t out_size);

// An image of one row from (N, C, L).
Tensor as_image(const Tensor& x);
Tensor as_sequence(const Tensor& image);

}  // namespace tessera
