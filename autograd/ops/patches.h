// Images as the patches under a sliding window, and back: PyTorch's torch.nn.functional.unfold and
// fold, beside the unfold along one dim of shape.h.
#pragma once

#include <initializer_list>

#include "autograd/tensor_arg.h"

namespace tessera {

// x (N, C, H, W) or (C, H, W) -> (N, C KH KW, L) or without N: column l holds the window's elements
// at place l, rows of places first; L = OH OW with
// OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1. Lists hold one number for both dims,
// or one for each. Padding is zeros.
Tensor unfold(TensorArg x, const Dims& kernel, const Dims& dilation = {1},
              const Dims& padding = {0}, const Dims& stride = {1});
// (N, C KH KW, L) -> (N, C, H, W) for out_size (H, W): each element goes back to its place, and
// those that meet are added. The gradient of unfold.
Tensor fold(TensorArg x, const Dims& out_size, const Dims& kernel, const Dims& dilation = {1},
            const Dims& padding = {0}, const Dims& stride = {1});

// For unfold(x, {3, 3}, {1}): without this one {1} would be a number before it is a list.
inline Tensor unfold(TensorArg x, std::initializer_list<int64_t> kernel,
                     std::initializer_list<int64_t> dilation,
                     std::initializer_list<int64_t> padding = {0},
                     std::initializer_list<int64_t> stride = {1}) {
  return unfold(x, Dims(kernel), Dims(dilation), Dims(padding), Dims(stride));
}

}  // namespace tessera
