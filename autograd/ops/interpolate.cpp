#include "autograd/ops/interpolate.h"

#include <cmath>

#include "autograd/ops/resample.h"
#include "autograd/ops/shape.h"

namespace tessera {
namespace {

AxisMap nearest_map(int64_t size, int64_t out_size) {
  AxisMap map;
  auto scale = static_cast<float>(size) / static_cast<float>(out_size);
  for (int64_t i = 0; i < out_size; ++i) {
    auto at = static_cast<int64_t>(std::floor(static_cast<float>(i) * scale));
    map.push_back({{std::min(at, size - 1), 1.0}});
  }
  return map;
}

// The taps that count: an infinite element times a weight of 0 would be a NaN.
std::vector<Tap> weighty(std::vector<Tap> taps) {
  std::erase_if(taps, [](const Tap& tap) { return tap.weight == 0; });
  return taps;
}

// Where output i lies in the input, whose elements are at whole numbers.
double source_of(int64_t i, int64_t size, int64_t out_size, bool align_corners) {
  auto out = static_cast<double>(out_size);
  if (align_corners) {
    if (out_size == 1) return 0;
    return static_cast<double>(i) * (static_cast<double>(size - 1) / (out - 1));
  }
  return (static_cast<double>(i) + 0.5) * (static_cast<double>(size) / out) - 0.5;
}

AxisMap linear_map(int64_t size, int64_t out_size, bool align_corners) {
  AxisMap map;
  for (int64_t i = 0; i < out_size; ++i) {
    double at = std::max(0.0, source_of(i, size, out_size, align_corners));
    int64_t left = std::min(static_cast<int64_t>(at), size - 1);
    double weight = at - static_cast<double>(left);
    int64_t right = std::min(left + 1, size - 1);
    if (right == left) map.push_back({{left, 1.0}});
    else map.push_back(weighty({{left, 1 - weight}, {right, weight}}));
  }
  return map;
}

// Keys' cubic convolution (1981) with a = -0.75, at distance t.
double cubic(double t) {
  constexpr double kA = -0.75;
  t = std::abs(t);
  if (t <= 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  return t < 2 ? kA * (((t - 5) * t + 8) * t - 4) : 0;
}

AxisMap cubic_map(int64_t size, int64_t out_size, bool align_corners) {
  AxisMap map;
  for (int64_t i = 0; i < out_size; ++i) {
    double at = source_of(i, size, out_size, align_corners);
    auto left = static_cast<int64_t>(std::floor(at));
    std::vector<Tap> taps;
    for (int64_t j = left - 1; j <= left + 2; ++j) {
      taps.push_back({std::clamp<int64_t>(j, 0, size - 1), cubic(at - static_cast<double>(j))});
    }
    map.push_back(weighty(std::move(taps)));
  }
  return map;
}

AxisMap map_of(Interpolation mode, int64_t size, int64_t out_size, bool align_corners) {
  switch (mode) {
    case Interpolation::nearest: return nearest_map(size, out_size);
    case Interpolation::area: return adaptive_means(size, out_size);
    case Interpolation::bicubic: return cubic_map(size, out_size, align_corners);
    case Interpolation::linear:
    case Interpolation::bilinear: break;
  }
  return linear_map(size, out_size, align_corners);
}

void check_mode(const Tensor& x, Interpolation mode, bool align_corners) {
  bool aligned = mode == Interpolation::linear || mode == Interpolation::bilinear ||
                 mode == Interpolation::bicubic;
  TESSERA_CHECK(aligned || !align_corners,
                "[interpolate] expected linear, bilinear or bicubic with align_corners, got "
                "nearest or area");
  bool fits = mode == Interpolation::linear ? x.dim() == 3 : !aligned || x.dim() == 4;
  TESSERA_CHECK(fits,
                "[interpolate] expected three dims for linear, four for bilinear and bicubic, got "
                "{}",
                x.shape());
}

}  // namespace

Tensor interpolate(TensorArg x, const Dims& size, Interpolation mode, bool align_corners) {
  const Composed scope;
  const char* op = "interpolate";
  TESSERA_CHECK(x.dim() == 3 || x.dim() == 4,
                "[interpolate] expected x of three or four dims, got {}", x.shape());
  TESSERA_CHECK(is_floating(x.dtype()), "[interpolate] expected a floating dtype, got {}",
                x.dtype());
  TESSERA_CHECK(size.size() + 2 == x.dim(), "[interpolate] expected {} sizes for x {}, got {}",
                x.dim() - 2, x.shape(), size);
  for (size_t d = 0; d < size.size(); ++d) {
    constexpr int64_t kLargestSize = int64_t{1} << 30;
    TESSERA_CHECK(size[d] >= 1 && size[d] <= kLargestSize && x.shape()[d + 2] >= 1,
                  "[interpolate] expected sizes of at least 1, got {} from {}", size, x.shape());
  }
  check_mode(x, mode, align_corners);
  AxisMap cols = map_of(mode, x.size(-1), size.back(), align_corners);
  if (x.dim() == 3) {
    return as_sequence(resample(op, as_image(op, x), adaptive_means(1, 1), cols));
  }
  return resample(op, x, map_of(mode, x.size(2), size[0], align_corners), cols);
}

Tensor pixel_shuffle(TensorArg x, int64_t upscale_factor) {
  const Composed scope;
  int64_t r = upscale_factor;
  TESSERA_CHECK(x.dim() == 4 && r >= 1 && r < (1 << 15) && x.size(1) % (r * r) == 0,
                "[pixel_shuffle] expected (N, C r^2, H, W) for the factor {}, got {}", r,
                x.shape());
  int64_t n = x.size(0);
  int64_t c = x.size(1) / (r * r);
  int64_t h = x.size(2);
  int64_t w = x.size(3);
  Tensor parts = permute(reshape(x, {n, c, r, r, h, w}), {0, 1, 4, 2, 5, 3});
  return reshape(parts, {n, c, h * r, w * r});
}

Tensor pixel_unshuffle(TensorArg x, int64_t downscale_factor) {
  const Composed scope;
  int64_t r = downscale_factor;
  TESSERA_CHECK(x.dim() == 4 && r >= 1 && r < (1 << 15) && x.size(2) % r == 0 && x.size(3) % r == 0,
                "[pixel_unshuffle] expected (N, C, H r, W r) for the factor {}, got {}", r,
                x.shape());
  int64_t n = x.size(0);
  int64_t c = x.size(1);
  int64_t h = x.size(2) / r;
  int64_t w = x.size(3) / r;
  Tensor parts = permute(reshape(x, {n, c, h, r, w, r}), {0, 1, 3, 5, 2, 4});
  return reshape(parts, {n, c * r * r, h, w});
}

}  // namespace tessera
