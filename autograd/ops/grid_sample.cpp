#include "autograd/ops/grid_sample.h"

#include <array>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/join.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/shape.h"

namespace tessera {
namespace {

constexpr const char* kGridOp = "grid_sample";

struct GridOptions {
  GridInterpolation mode;
  GridPadding padding;
  bool align_corners;
};

// Coordinates (N, P) along one axis, in elements.
struct GridAxis {
  Tensor at;
  int64_t size;
};

// From (-1, 1) to elements.
Tensor in_elements(const Tensor& x, int64_t size, bool align_corners) {
  auto n = static_cast<double>(size);
  if (align_corners) return (x + 1) * ((n - 1) / 2);
  return ((x + 1) * n - 1) / 2;
}

// In [0, size - 1]. A NaN is 0; what is moved, or lies on the border, has no gradient.
Tensor at_border(const Tensor& x, int64_t size) {
  auto last = static_cast<double>(size - 1);
  Tensor inside = logical_and(gt(x, 0), lt(x, last));
  Tensor border = where(ge(x, last), last, to(logical_not(inside), x.dtype()) * 0);
  return where(inside, x, border);
}

// Reflected at the borders as often as it takes to be inside.
Tensor reflected(const Tensor& x, int64_t size, bool align_corners) {
  double low = align_corners ? 0 : -0.5;
  auto span = static_cast<double>(align_corners ? size - 1 : size);
  if (span == 0) return at_border(x * 0, size);
  Tensor from_low = x - low;
  Tensor distance = where(lt(from_low, 0), neg(from_low), from_low);
  Tensor flips = floor(distance / span).detach();
  Tensor rest = fmod(distance, span);
  Tensor odd = eq(fmod(flips, 2), 1);
  return at_border(where(odd, span - rest, rest) + low, size);
}

// Where the padding says that x is read.
Tensor read_place(const Tensor& x, int64_t size, const GridOptions& options) {
  switch (options.padding) {
    case GridPadding::zeros: return x;
    case GridPadding::border: return at_border(x, size);
    case GridPadding::reflection: return reflected(x, size, options.align_corners);
  }
  return x;
}

// Some elements along an axis and what each counts, both (N, P).
struct GridTap {
  Tensor index, weight;
};
using GridTaps = std::vector<GridTap>;

// Weights of the elements at floor(x) - 1 ... floor(x) + 2, of the distance t from floor(x).
std::array<Tensor, 4> cubic_weights(const Tensor& t) {
  constexpr double kA = -0.75;
  auto near = [](const Tensor& d) { return ((kA + 2) * d - (kA + 3)) * d * d + 1; };
  auto far = [](const Tensor& d) { return ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA; };
  return {far(t + 1), near(t), near(1 - t), far(2 - t)};
}

// The elements that a coordinate is made of.
GridTaps taps_of(const GridAxis& axis, const GridOptions& options) {
  if (options.mode == GridInterpolation::bicubic) {
    Tensor first = floor(axis.at).detach();
    std::array<Tensor, 4> weights = cubic_weights(axis.at - first);
    GridTaps taps;
    for (int i = 0; i < 4; ++i) {
      Tensor place = read_place(first + (i - 1), axis.size, options).detach();
      taps.push_back({place, weights[static_cast<size_t>(i)]});
    }
    return taps;
  }
  Tensor at = read_place(axis.at, axis.size, options);
  if (options.mode == GridInterpolation::nearest) {
    // 1, with a gradient of zero.
    Tensor all = Array::full(at.shape(), 1, DType::boolean, at.device());
    return {{round(at).detach(), masked_fill(at, all, 1)}};
  }
  Tensor first = floor(at).detach();
  return {{first, (first + 1) - at}, {first + 1, at - first}};
}

// The elements of x (N, C, P') at the taps, one of each axis; zeros outside.
Tensor elements_at(const Tensor& flat, const std::vector<const GridTap*>& taps,
                   const std::vector<GridAxis>& axes) {
  Tensor inside;
  Tensor place;
  {
    const NoGrad constant;
    for (size_t d = 0; d < taps.size(); ++d) {
      auto last = static_cast<double>(axes[d].size - 1);
      Tensor here = logical_and(ge(taps[d]->index, 0), le(taps[d]->index, last));
      inside = d == 0 ? here : logical_and(inside, here);
    }
    for (size_t d = 0; d < taps.size(); ++d) {
      Tensor index = to(where(inside, taps[d]->index, 0), DType::i64);
      place = d == 0 ? index : place * axes[d].size + index;
    }
  }
  Dims shape{flat.size(0), flat.size(1), place.size(1)};
  Tensor found = gather(flat, 2, expand(unsqueeze(place, 1), shape));
  return masked_fill(found, unsqueeze(logical_not(inside), 1), 0);
}

// The sum over all combinations of taps of the axes.
Tensor sampled(const Tensor& flat, const std::vector<GridAxis>& axes, const GridOptions& options) {
  std::vector<GridTaps> all;
  size_t count = 1;
  for (const GridAxis& axis : axes) {
    all.push_back(taps_of(axis, options));
    count *= all.back().size();
  }
  Tensor out;
  for (size_t i = 0; i < count; ++i) {
    std::vector<const GridTap*> taps(axes.size());
    size_t rest = i;
    for (size_t d = axes.size(); d-- > 0; rest /= all[d].size()) {
      taps[d] = &all[d][rest % all[d].size()];
    }
    Tensor weight;
    for (size_t d = axes.size(); d-- > 0;) {
      weight = weight.defined() ? weight * taps[d]->weight : taps[d]->weight;
    }
    Tensor term = elements_at(flat, taps, axes) * unsqueeze(weight, 1);
    out = out.defined() ? out + term : term;
  }
  return out;
}

void check_grid(const Tensor& x, const Tensor& grid, GridInterpolation mode) {
  TESSERA_CHECK(x.dim() == 4 || x.dim() == 5,
                "[{}] expected x (N, C, H, W) or (N, C, D, H, W), got {}", kGridOp, x.shape());
  TESSERA_CHECK(is_floating(x.dtype()) && grid.dtype() == x.dtype(),
                "[{}] expected x and grid of one floating dtype, got {} and {}", kGridOp, x.dtype(),
                grid.dtype());
  TESSERA_CHECK(x.device() == grid.device(), "[{}] expected one device, got {} and {}", kGridOp,
                x.device(), grid.device());
  auto axes = static_cast<int64_t>(x.dim()) - 2;
  TESSERA_CHECK(grid.dim() == x.dim() && grid.size(0) == x.size(0) && grid.size(-1) == axes,
                "[{}] expected a grid of {} dims, ({}, ..., {}), for x {}, got {}", kGridOp,
                x.dim(), x.size(0), axes, x.shape(), grid.shape());
  for (size_t d = 2; d < x.dim(); ++d) {
    TESSERA_CHECK(x.shape()[d] > 0, "[{}] expected an image with elements, got {}", kGridOp,
                  x.shape());
  }
  TESSERA_CHECK(mode != GridInterpolation::bicubic || x.dim() == 4,
                "[{}] expected images (N, C, H, W) for bicubic, got {}", kGridOp, x.shape());
}

// n places from -1 to 1, or in the middle of n parts of that.
Tensor unit_places(int64_t n, bool align_corners, const Tensor& like) {
  std::vector<double> places;
  for (int64_t i = 0; i < n; ++i) {
    double at = n == 1 ? 0 : 2 * static_cast<double>(i) / static_cast<double>(n - 1) - 1;
    places.push_back(align_corners ? at : at * static_cast<double>(n - 1) / static_cast<double>(n));
  }
  return Tensor(Array::from(places, {n}).to(like.dtype()).to(like.device()));
}

}  // namespace

Tensor grid_sample(TensorArg x, TensorArg grid, GridInterpolation mode, GridPadding padding,
                   bool align_corners) {
  const Composed scope;
  check_grid(x, grid, mode);
  GridOptions options{mode, padding, align_corners};
  DType wide = compute_dtype_of(x.dtype());
  int64_t places = 1;
  int64_t elements = 1;
  Dims shape{x.size(0), x.size(1)};
  for (size_t d = 2; d < x.dim(); ++d) {
    shape.push_back(grid.shape()[d - 1]);
    places *= grid.shape()[d - 1];
    elements *= x.shape()[d];
  }
  auto count = static_cast<int64_t>(x.dim()) - 2;
  Tensor at = reshape(to(grid, wide), {x.size(0), places, count});
  // The grid's last dim has the last axis first.
  std::vector<GridAxis> axes;
  for (int64_t d = 0; d < count; ++d) {
    int64_t size = x.size(d + 2);
    axes.push_back({in_elements(select(at, 2, count - 1 - d), size, align_corners), size});
  }
  Tensor flat = reshape(to(x, wide), {x.size(0), x.size(1), elements});
  return to(reshape(sampled(flat, axes, options), shape), x.dtype());
}

Tensor affine_grid(TensorArg theta, const Dims& size, bool align_corners) {
  const Composed scope;
  TESSERA_CHECK(size.size() == 4 || size.size() == 5,
                "[affine_grid] expected a size (N, C, H, W) or (N, C, D, H, W), got {}", size);
  auto axes = static_cast<int64_t>(size.size()) - 2;
  TESSERA_CHECK(is_floating(theta.dtype()),
                "[affine_grid] expected theta of a floating dtype, got {}", theta.dtype());
  TESSERA_CHECK(theta.shape() == (Dims{size[0], axes, axes + 1}),
                "[affine_grid] expected theta ({}, {}, {}) for a size of {}, got {}", size[0], axes,
                axes + 1, size, theta.shape());
  for (int64_t one : size) {
    TESSERA_CHECK(one > 0, "[affine_grid] expected positive sizes, got {}", size);
  }
  Tensor wide = to(theta, compute_dtype_of(theta.dtype()));
  Dims out(std::span(size.data() + 2, size.size() - 2));
  std::vector<Tensor> columns;
  for (int64_t d = axes - 1; d >= 0; --d) {
    Dims along(static_cast<size_t>(axes), 1);
    along[static_cast<size_t>(d)] = out[static_cast<size_t>(d)];
    Tensor places = unit_places(out[static_cast<size_t>(d)], align_corners, wide);
    columns.push_back(reshape(expand(reshape(places, along), out), {num_elements(out)}));
  }
  columns.push_back(Array::full({num_elements(out)}, 1, wide.dtype(), wide.device()));
  Tensor base = stack(columns, 1);
  Tensor grid = matmul(base, transpose(wide, 1, 2));
  Dims shape{size[0]};
  for (int64_t one : out) shape.push_back(one);
  shape.push_back(axes);
  return to(reshape(grid, shape), theta.dtype());
}

}  // namespace tessera
