// Images of other sizes.
#pragma once

#include <vector>

#include "autograd/tensor_arg.h"

namespace tessera {

enum class Interpolation { nearest, nearest_exact, linear, bilinear, bicubic, trilinear, area };

// Sizes as multiples of the input's: one for all dims, or one for each.
class ScaleFactor;
ScaleFactor scale_factor(std::vector<double> factors);
ScaleFactor scale_factor(double factor);

class ScaleFactor {
 public:
  const std::vector<double>& get() const { return factors_; }

 private:
  struct Private {};
  ScaleFactor(Private, std::vector<double> factors) : factors_(std::move(factors)) {}
  friend ScaleFactor scale_factor(std::vector<double> factors);

  std::vector<double> factors_;
};

// x (N, C, L), (N, C, H, W) or (N, C, D, H, W) -> the same with `size` for its last dims, as
// PyTorch's function of that name: linear takes (N, C, L), bilinear and bicubic (N, C, H, W),
// trilinear (N, C, D, H, W), the others all three. align_corners is for the linear ones and
// bicubic; antialias, which widens the filter where an image shrinks, for bilinear and bicubic. x
// is floating; or u8 for nearest, nearest_exact, bilinear and bicubic, rounded after each dim.
Tensor interpolate(TensorArg x, const Dims& size, Interpolation mode = Interpolation::nearest,
                   bool align_corners = false, bool antialias = false);
// The same by interpolate(x, scale_factor(2)): sizes are rounded down, and the factor itself, not
// the quotient of the sizes, says where results lie, unless recompute_scale_factor.
Tensor interpolate(TensorArg x, const ScaleFactor& scale_factor,
                   Interpolation mode = Interpolation::nearest, bool align_corners = false,
                   bool recompute_scale_factor = false, bool antialias = false);

// (..., C r^2, H, W) -> (..., C, H r, W r), and back (Shi et al. 2016).
Tensor pixel_shuffle(TensorArg x, int64_t upscale_factor);
Tensor pixel_unshuffle(TensorArg x, int64_t downscale_factor);
// (N, C, ...), the channels in another order: (groups, C / groups) transposed (Zhang et al. 2018).
Tensor channel_shuffle(TensorArg x, int64_t groups);

}  // namespace tessera
