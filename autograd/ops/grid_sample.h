// Images at places of the caller's choice.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

enum class GridInterpolation { bilinear, nearest, bicubic };
// What lies outside of the image: zeros, its nearest border, or what its borders reflect.
enum class GridPadding { zeros, border, reflection };

// x (N, C, H, W) at grid (N, H', W', 2) -> (N, C, H', W'), or (N, C, D, H, W) at (N, D', H', W',
// 3), both of one floating dtype: each place of the grid is (x, y) or (x, y, z), from -1 to 1
// across the image. With align_corners these are the centres of its outermost elements, otherwise
// their edges. Bicubic takes images only. As in PyTorch the places' gradients are zero for nearest,
// and where padding other than zeros moved them to the border; x's and the grid's can be
// differentiated in their turn.
Tensor grid_sample(TensorArg x, TensorArg grid,
                   GridInterpolation mode = GridInterpolation::bilinear,
                   GridPadding padding = GridPadding::zeros, bool align_corners = false);

// The grid of `size`, (N, C, H, W) or (N, C, D, H, W), moved by theta (N, 2, 3) or (N, 3, 4):
// each place is theta times (x, y, 1) or (x, y, z, 1).
Tensor affine_grid(TensorArg theta, const Dims& size, bool align_corners = false);

}  // namespace tessera
