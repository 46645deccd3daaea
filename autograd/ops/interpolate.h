// Images of other sizes.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

enum class Interpolation { nearest, linear, bilinear, bicubic, area };

// x (N, C, L) or (N, C, H, W) -> the same with `size` for its last dims, as PyTorch's function of
// that name with a size: linear takes (N, C, L), bilinear and bicubic (N, C, H, W), the others
// both. align_corners is for linear, bilinear and bicubic.
Tensor interpolate(TensorArg x, const Dims& size, Interpolation mode = Interpolation::nearest,
                   bool align_corners = false);

// (N, C r^2, H, W) -> (N, C, H r, W r), and back (Shi et al. 2016).
Tensor pixel_shuffle(TensorArg x, int64_t upscale_factor);
Tensor pixel_unshuffle(TensorArg x, int64_t downscale_factor);

}  // namespace tessera
