#include "autograd/ops/interpolate.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/resample.h"
#include "autograd/ops/shape.h"

namespace tessera {
namespace {

constexpr const char* kOp = "interpolate";

// One dim of the input and of the result. Neighbours in the result are `step` elements apart.
struct Axis {
  int64_t size, out_size;
  double step;
  bool align_corners;

  Axis(int64_t size, int64_t out_size, bool align_corners, std::optional<double> factor)
      : size(size), out_size(out_size), align_corners(align_corners) {
    auto out = static_cast<double>(out_size);
    if (align_corners) step = out_size == 1 ? 0 : static_cast<double>(size - 1) / (out - 1);
    else step = factor ? 1 / *factor : static_cast<double>(size) / out;
  }
  // Where output i lies in the input, whose elements are at whole numbers.
  double source_of(int64_t i) const {
    auto at = static_cast<double>(i);
    return align_corners ? at * step : (at + 0.5) * step - 0.5;
  }
};

// `shift` is 0, or 0.5 to start from the middle of each element.
AxisMap nearest_map(const Axis& axis, float shift) {
  AxisMap map;
  auto step = static_cast<float>(axis.step);
  for (int64_t i = 0; i < axis.out_size; ++i) {
    auto at = static_cast<int64_t>(std::floor((static_cast<float>(i) + shift) * step));
    map.push_back({{std::min(at, axis.size - 1), 1.0}});
  }
  return map;
}

// The taps that count: an infinite element times a weight of 0 would be a NaN.
std::vector<Tap> weighty(std::vector<Tap> taps) {
  std::erase_if(taps, [](const Tap& tap) { return tap.weight == 0; });
  return taps;
}

AxisMap linear_map(const Axis& axis) {
  AxisMap map;
  for (int64_t i = 0; i < axis.out_size; ++i) {
    double at = std::max(0.0, axis.source_of(i));
    int64_t left = std::min(static_cast<int64_t>(at), axis.size - 1);
    double weight = at - static_cast<double>(left);
    int64_t right = std::min(left + 1, axis.size - 1);
    if (right == left) map.push_back({{left, 1.0}});
    else map.push_back(weighty({{left, 1 - weight}, {right, weight}}));
  }
  return map;
}

// Keys' cubic convolution (1981) at distance t, by its parameter.
double cubic(double t, double a) {
  t = std::abs(t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? a * (((t - 5) * t + 8) * t - 4) : 0;
}

AxisMap cubic_map(const Axis& axis) {
  AxisMap map;
  for (int64_t i = 0; i < axis.out_size; ++i) {
    double at = axis.source_of(i);
    auto left = static_cast<int64_t>(std::floor(at));
    std::vector<Tap> taps;
    for (int64_t j = left - 1; j <= left + 2; ++j) {
      taps.push_back(
          {std::clamp<int64_t>(j, 0, axis.size - 1), cubic(at - static_cast<double>(j), -0.75)});
    }
    map.push_back(weighty(std::move(taps)));
  }
  return map;
}

// The filter as wide as a step where that is more than one element, as Pillow has it: a triangle,
// or the cubic one with Keys' own parameter.
AxisMap antialias_map(const Axis& axis, Interpolation mode) {
  bool is_cubic = mode == Interpolation::bicubic;
  double width = std::max(axis.step, 1.0);
  double reach = (is_cubic ? 2 : 1) * width;
  AxisMap map;
  for (int64_t i = 0; i < axis.out_size; ++i) {
    double center = axis.step * (static_cast<double>(i) + 0.5);
    int64_t begin = std::max<int64_t>(static_cast<int64_t>(center - reach + 0.5), 0);
    int64_t end = std::min(static_cast<int64_t>(center + reach + 0.5), axis.size);
    map.emplace_back();
    double total = 0;
    for (int64_t j = begin; j < end; ++j) {
      double t = (static_cast<double>(j) - center + 0.5) / width;
      double weight = is_cubic ? cubic(t, -0.5) : std::max(0.0, 1 - std::abs(t));
      map.back().push_back({j, weight});
      total += weight;
    }
    for (Tap& tap : map.back()) tap.weight /= total != 0 ? total : 1;
  }
  return map;
}

AxisMap map_of(Interpolation mode, const Axis& axis, bool antialias) {
  if (antialias) return antialias_map(axis, mode);
  switch (mode) {
    case Interpolation::nearest: return nearest_map(axis, 0);
    case Interpolation::nearest_exact: return nearest_map(axis, 0.5F);
    case Interpolation::area: return adaptive_means(axis.size, axis.out_size);
    case Interpolation::bicubic: return cubic_map(axis);
    case Interpolation::linear:
    case Interpolation::bilinear:
    case Interpolation::trilinear: break;
  }
  return linear_map(axis);
}

// The weights as PyTorch rounds them for u8: to as many binary places as 16 bits leave for the
// largest, those of one element added up first.
AxisMap in_16_bits(const AxisMap& map) {
  AxisMap out;
  double largest = 0;
  for (const std::vector<Tap>& taps : map) {
    out.emplace_back();
    for (const Tap& tap : taps) {
      bool again = !out.back().empty() && out.back().back().index == tap.index;
      if (again) out.back().back().weight += tap.weight;
      else out.back().push_back(tap);
      largest = std::max(largest, out.back().back().weight);
    }
  }
  int places = 0;
  while (places < 22 && std::floor(0.5 + std::ldexp(largest, places + 1)) < (1 << 15)) ++places;
  for (std::vector<Tap>& taps : out) {
    for (Tap& tap : taps) {
      tap.weight = std::ldexp(std::round(std::ldexp(tap.weight, places)), -places);
    }
  }
  return out;
}

AxisMap identity(int64_t size) { return adaptive_means(size, size); }

// Images of u8 along one dim after the other, rounded and cut off after each.
Tensor resample_u8(const Tensor& x, const AxisMap& rows, const AxisMap& cols) {
  const NoGrad constant;
  auto rounded = [](const Tensor& y) { return clamp(floor(y + 0.5), 0.0, 255.0); };
  Tensor y = to(x, DType::f64);
  auto height = static_cast<int64_t>(rows.size());
  auto width = static_cast<int64_t>(cols.size());
  if (width != x.size(3)) y = rounded(resample(kOp, y, identity(x.size(2)), in_16_bits(cols)));
  if (height != x.size(2)) y = rounded(resample(kOp, y, in_16_bits(rows), identity(width)));
  return to(y, DType::u8);
}

Tensor resample_image(const Tensor& x, const AxisMap& rows, const AxisMap& cols) {
  return x.dtype() == DType::u8 ? resample_u8(x, rows, cols) : resample(kOp, x, rows, cols);
}

// (N, C, D, H, W): every plane, then along D.
Tensor resample_volume(const Tensor& x, const AxisMap& planes, const AxisMap& rows,
                       const AxisMap& cols) {
  int64_t n = x.size(0);
  int64_t c = x.size(1);
  int64_t depth = x.size(2);
  auto height = static_cast<int64_t>(rows.size());
  auto width = static_cast<int64_t>(cols.size());
  Tensor y = resample_image(reshape(x, {n, c * depth, x.size(3), x.size(4)}), rows, cols);
  y = transpose(reshape(y, {n, c, depth, height, width}), 2, 3);
  y = resample_image(reshape(y, {n, c * height, depth, width}), planes, identity(width));
  y = reshape(y, {n, c, height, static_cast<int64_t>(planes.size()), width});
  return contiguous(transpose(y, 2, 3));
}

struct Options {
  Interpolation mode;
  bool align_corners, antialias;
};

void check_mode(const Tensor& x, const Options& options) {
  Interpolation mode = options.mode;
  bool planar = mode == Interpolation::bilinear || mode == Interpolation::bicubic;
  bool aligned = planar || mode == Interpolation::linear || mode == Interpolation::trilinear;
  TESSERA_CHECK(aligned || !options.align_corners,
                "[interpolate] expected linear, bilinear, bicubic or trilinear with align_corners, "
                "got nearest or area");
  TESSERA_CHECK(planar || !options.antialias,
                "[interpolate] expected bilinear or bicubic with antialias, got another mode");
  size_t wanted = planar ? 4 : mode == Interpolation::linear ? 3 : 5;
  TESSERA_CHECK(!aligned || x.dim() == wanted,
                "[interpolate] expected three dims for linear, four for bilinear and bicubic, five "
                "for trilinear, got {}",
                x.shape());
  bool nearest = mode == Interpolation::nearest || mode == Interpolation::nearest_exact;
  bool takes_u8 = planar || nearest;
  TESSERA_CHECK(is_floating(x.dtype()) || (takes_u8 && x.dtype() == DType::u8),
                "[interpolate] expected a floating dtype{}, got {}", takes_u8 ? " or u8" : "",
                x.dtype());
}

void check_dims(const Tensor& x, size_t sizes) {
  TESSERA_CHECK(x.dim() >= 3 && x.dim() <= 5,
                "[interpolate] expected x of three to five dims, got {}", x.shape());
  TESSERA_CHECK(sizes + 2 == x.dim(), "[interpolate] expected {} sizes for x {}, got {}",
                x.dim() - 2, x.shape(), sizes);
}

// Whether PyTorch goes by the sizes of a dim though it has a factor: where linear functions leave
// the size alone, and where nearest leaves an image's alone or doubles it.
bool goes_by_sizes(const Options& options, size_t rank, int64_t size, int64_t out_size) {
  if (options.antialias || options.mode == Interpolation::bicubic) return false;
  if (options.mode == Interpolation::nearest) {
    return rank == 4 && (out_size == size || out_size == 2 * size);
  }
  return options.mode != Interpolation::nearest_exact && out_size == size;
}

// To `size`; factors hold one number a dim, or none.
Tensor interpolated(const Tensor& x, const Dims& size, const std::vector<double>& factors,
                    const Options& options) {
  check_mode(x, options);
  std::vector<AxisMap> maps;
  for (size_t d = 0; d < size.size(); ++d) {
    constexpr int64_t kLargestSize = int64_t{1} << 30;
    TESSERA_CHECK(size[d] >= 1 && size[d] <= kLargestSize && x.shape()[d + 2] >= 1,
                  "[interpolate] expected sizes of at least 1, got {} from {}", size, x.shape());
    std::optional<double> factor;
    bool by_sizes = factors.empty() || goes_by_sizes(options, x.dim(), x.shape()[d + 2], size[d]);
    if (!by_sizes) factor = factors[d];
    Axis axis(x.shape()[d + 2], size[d], options.align_corners, factor);
    maps.push_back(map_of(options.mode, axis, options.antialias));
  }
  if (x.dim() == 3) return as_sequence(resample_image(as_image(x), identity(1), maps[0]));
  if (x.dim() == 4) return resample_image(x, maps[0], maps[1]);
  bool is_half = is_floating(x.dtype()) && item_size(x.dtype()) == 2;
  Tensor wide = is_half ? to(x, DType::f32) : x;
  return to(resample_volume(wide, maps[0], maps[1], maps[2]), x.dtype());
}

}  // namespace

ScaleFactor scale_factor(std::vector<double> factors) {
  return {ScaleFactor::Private(), std::move(factors)};
}
ScaleFactor scale_factor(double factor) { return scale_factor(std::vector<double>{factor}); }

Tensor interpolate(TensorArg x, const Dims& size, Interpolation mode, bool align_corners,
                   bool antialias) {
  const Composed scope;
  check_dims(x, size.size());
  return interpolated(x, size, {}, {mode, align_corners, antialias});
}

Tensor interpolate(TensorArg x, const ScaleFactor& scale_factor, Interpolation mode,
                   bool align_corners, bool recompute_scale_factor, bool antialias) {
  const Composed scope;
  std::vector<double> factors = scale_factor.get();
  if (factors.size() == 1 && x.dim() > 3) factors.assign(x.dim() - 2, factors[0]);
  check_dims(x, factors.size());
  Dims size;
  for (size_t d = 0; d < factors.size(); ++d) {
    double scaled = static_cast<double>(x.shape()[d + 2]) * factors[d];
    TESSERA_CHECK(factors[d] > 0 && scaled < 0x1p30,
                  "[interpolate] expected scale factors above 0 and sizes below 2^30, got {} for a "
                  "size of {}",
                  factors[d], x.shape()[d + 2]);
    size.push_back(static_cast<int64_t>(scaled));
  }
  if (recompute_scale_factor) factors.clear();
  return interpolated(x, size, factors, {mode, align_corners, antialias});
}

Tensor pixel_shuffle(TensorArg x, int64_t upscale_factor) {
  const Composed scope;
  int64_t r = upscale_factor;
  bool fits = x.dim() >= 3 && r >= 1 && r < (1 << 15);
  TESSERA_CHECK(fits && x.size(-3) % (r * r) == 0,
                "[pixel_shuffle] expected (..., C r^2, H, W) for the factor {}, got {}", r,
                x.shape());
  Dims shape(std::span(x.shape().data(), x.dim() - 3));
  int64_t n = num_elements(shape);
  int64_t c = x.size(-3) / (r * r);
  int64_t h = x.size(-2);
  int64_t w = x.size(-1);
  Tensor parts = permute(reshape(x, {n, c, r, r, h, w}), {0, 1, 4, 2, 5, 3});
  for (int64_t size : {c, h * r, w * r}) shape.push_back(size);
  return reshape(parts, shape);
}

Tensor pixel_unshuffle(TensorArg x, int64_t downscale_factor) {
  const Composed scope;
  int64_t r = downscale_factor;
  bool fits = x.dim() >= 3 && r >= 1 && r < (1 << 15);
  TESSERA_CHECK(fits && x.size(-2) % r == 0 && x.size(-1) % r == 0,
                "[pixel_unshuffle] expected (..., C, H r, W r) for the factor {}, got {}", r,
                x.shape());
  Dims shape(std::span(x.shape().data(), x.dim() - 3));
  int64_t n = num_elements(shape);
  int64_t c = x.size(-3);
  int64_t h = x.size(-2) / r;
  int64_t w = x.size(-1) / r;
  Tensor parts = permute(reshape(x, {n, c, h, r, w, r}), {0, 1, 3, 5, 2, 4});
  for (int64_t size : {c * r * r, h, w}) shape.push_back(size);
  return reshape(parts, shape);
}

Tensor channel_shuffle(TensorArg x, int64_t groups) {
  const Composed scope;
  TESSERA_CHECK(
      x.dim() >= 3 && groups >= 1 && x.size(1) % groups == 0,
      "[channel_shuffle] expected (N, C, ...) with channels that {} groups divide, got {}", groups,
      x.shape());
  Dims shape{x.size(0), groups, x.size(1) / groups};
  for (size_t d = 2; d < x.dim(); ++d) shape.push_back(x.shape()[d]);
  return reshape(transpose(reshape(x, shape), 1, 2), x.shape());
}

}  // namespace tessera
