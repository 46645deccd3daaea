// The slices of a tensor, each used by itself.
#pragma once

#include <vector>

#include "autograd/tensor_arg.h"

namespace tessera::nn {

// x[0], x[1], ... of dim 0, all views. Their gradients are put together once, where each view by
// itself would fill a tensor of x's size with zeros; slices without one count as zero.
std::vector<Tensor> slices(TensorArg x);
// The same for the first sizes[0] rows of x, the next sizes[1], and so on; they are all of them.
std::vector<Tensor> slices(TensorArg x, const std::vector<int64_t>& sizes);

}  // namespace tessera::nn
