#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/normalize.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/convert.h"
#include "core/cpu/cpu.h"
#include "core/cpu/exact_moments.h"
#include "core/cpu/rows-inl.h"
#include "core/kernels/normalize.h"
#include "core/kernels/reduce.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Rows per tile. The gradients of weight and bias are summed inside a tile, then over the tiles.
inline constexpr int64_t kRowsPerTile = 32;

// What belongs to the columns: null where it is left out.
template <class T>
T* data_or_null(const Array& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

// rest: what rounding took from mean, where that matters.
template <class T>
struct RowMoments {
  T mean, rstd, rest;
};

// With the mean square in place of the variance unless `centered`. `exact` tells that they are of
// no use: they have to be computed in another way.
template <class T>
HWY_INLINE RowMoments<T> row_moments(const T* x, size_t n, bool centered, T eps, bool& exact) {
  const hn::ScalableTag<T> d;
  auto size = static_cast<T>(n);
  T mean = centered ? row_sum(x, n) / size : T{0};
  const Vec<T> center = hn::Set(d, mean);
  T squares = sum_of<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
    Vec<T> v = load_lanes(x + j, lanes) - center;
    if (lanes < hn::Lanes(d)) v = hn::IfThenElseZero(hn::FirstN(d, lanes), v);
    return v * v;
  });
  T var = squares / size;
  T rstd = T{1} / std::sqrt(var + eps);
  exact = needs_exact_moments(mean, var, rstd, eps);
  return {mean, rstd, T{0}};
}

// One row by way of exact moments: y, and mean and rstd as T has them.
template <class T>
RowMoments<T> normalize_exactly(const T* x, size_t n, bool centered, double eps, const T* w,
                                const T* b, T* y) {
  ExactMoments m = exact_moments_of(x, {1, 0, static_cast<int64_t>(n), 1}, centered);
  double rstd = m.rstd(eps);
  for (size_t j = 0; j < n; ++j) {
    double xhat = ((static_cast<double>(x[j]) * m.scale - m.mean) - m.rest) * rstd;
    if (w) xhat *= static_cast<double>(w[j]);
    if (b) xhat += static_cast<double>(b[j]);
    y[j] = static_cast<T>(xhat);
  }
  NormMoments<T> rounded = rounded_moments<T>(m, eps);
  return {rounded.mean, rounded.rstd, rounded.rest};
}

// The moments that layer_norm gave for a row, with what rounding took from the mean found again.
template <class T>
RowMoments<T> moments_again(const T* x, int64_t n, T mean, T rstd) {
  RowMoments<T> m{mean, rstd, T{0}};
  if (!(std::abs(mean) * rstd >= T(kLargeBesideOthers))) return m;
  auto apart = [=](int64_t j) {
    return (static_cast<double>(x[j]) - static_cast<double>(mean)) / static_cast<double>(n);
  };
  m.rest = static_cast<T>(lane_sum(n, apart));
  return m;
}

// y = (x - mean) rstd w + b
template <class T>
HWY_INLINE void scale_and_shift(const T* x, RowMoments<T> m, const T* w, const T* b, bool streams,
                                T* y, size_t n) {
  const hn::ScalableTag<T> d;
  const Vec<T> center = hn::Set(d, m.mean);
  const Vec<T> scale = hn::Set(d, m.rstd);
  auto xhat = [&](size_t j, size_t lanes)
                  HWY_ATTR { return (load_lanes(x + j, lanes) - center) * scale; };
  if (w && b) {
    write_row<T>(streams, n, y, [&](size_t j, size_t lanes) HWY_ATTR {
      // The next row's elements are on their way while these are computed.
      fetch_ahead(x + n + j);
      return hn::MulAdd(xhat(j, lanes), load_lanes(w + j, lanes), load_lanes(b + j, lanes));
    });
  } else if (w) {
    write_row<T>(streams, n, y, [&](size_t j, size_t lanes) HWY_ATTR {
      return xhat(j, lanes) * load_lanes(w + j, lanes);
    });
  } else if (b) {
    write_row<T>(streams, n, y, [&](size_t j, size_t lanes) HWY_ATTR {
      return xhat(j, lanes) + load_lanes(b + j, lanes);
    });
  } else {
    write_row<T>(streams, n, y, xhat);
  }
}

template <class T>
void layer_norm_typed(const Array& x, const Array& weight, const Array& bias, double eps,
                      const Array& y, const Array& mean, const Array& rstd) {
  int64_t cols = x.shape()[1];
  auto n = static_cast<size_t>(cols);
  bool streams = y.nbytes() >= kStreamBytes;
  T* means = data_or_null<T>(mean);
  parallel_tiles(x.shape()[0], kRowsPerTile, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = x.data<T>() + i * cols;
      const T* w = data_or_null<T>(weight);
      const T* b = data_or_null<T>(bias);
      T* out = y.data<T>() + i * cols;
      bool exact = false;
      RowMoments<T> m = row_moments(row, n, means != nullptr, static_cast<T>(eps), exact);
      if (exact && n > 0) m = normalize_exactly(row, n, means != nullptr, eps, w, b, out);
      else scale_and_shift(row, m, w, b, streams, out, n);
      if (means) means[i] = m.mean;
      rstd.data<T>()[i] = m.rstd;
    }
    if (streams) stream_fence();
  });
}

// The gradients' inputs, row by row. dw and db, which belong to the columns as w does, are null
// where they are left out. With db comes dw.
template <class T>
struct GradRows {
  const T* x;
  const T* w;
  const RowMoments<T>* moments;
  const T* dy;
  T* dx;
  T* dw;
  T* db;
  size_t n;
  bool centered;
  bool streams;

  GradRows from(int64_t row) const {
    GradRows rows = *this;
    rows.x += static_cast<size_t>(row) * n;
    rows.moments += row;
    rows.dy += static_cast<size_t>(row) * n;
    rows.dx += static_cast<size_t>(row) * n;
    return rows;
  }
};

template <class T>
struct TwoSums {
  T first, second;
};

enum class Parameters { none, weight, weight_and_bias };

// With xhat = (x - mean) rstd and g = dy w, adds g and g xhat of elements j to j + count - 1 of
// kRows rows to `sums`. On the way dw += dy xhat and db += dy, one row after the other.
template <int kRows, Parameters kParameters, class T>
HWY_INLINE void add_elements(const GradRows<T>& rows, const RowMoments<Vec<T>>* moments, size_t j,
                             size_t count, TwoSums<Vec<T>>* sums) {
  const hn::ScalableTag<T> d;
  const Vec<T> w = load_lanes(rows.w + j, count);
  Vec<T> dw = hn::Zero(d);
  Vec<T> db = hn::Zero(d);
  if constexpr (kParameters != Parameters::none) dw = load_lanes(rows.dw + j, count);
  if constexpr (kParameters == Parameters::weight_and_bias) db = load_lanes(rows.db + j, count);
  for (int k = 0; k < kRows; ++k) {
    size_t at = static_cast<size_t>(k) * rows.n + j;
    const RowMoments<Vec<T>>& m = moments[k];
    Vec<T> xhat = ((load_lanes(rows.x + at, count) - m.mean) - m.rest) * m.rstd;
    Vec<T> dy = load_lanes(rows.dy + at, count);
    Vec<T> g = dy * w;
    sums[k].first = sums[k].first + g;
    sums[k].second = sums[k].second + g * xhat;
    dw = hn::MulAdd(dy, xhat, dw);
    db = db + dy;
  }
  if constexpr (kParameters != Parameters::none) store_lanes(dw, count, rows.dw + j);
  if constexpr (kParameters == Parameters::weight_and_bias) store_lanes(db, count, rows.db + j);
}

// The sums of all elements, and with them dw and db.
template <int kRows, Parameters kParameters, class T>
HWY_INLINE void grad_sums(const GradRows<T>& rows, TwoSums<T>* sums) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  RowMoments<Vec<T>> moments[kRows];
  TwoSums<Vec<T>> even[kRows];
  TwoSums<Vec<T>> odd[kRows];
  for (int k = 0; k < kRows; ++k) {
    const RowMoments<T>& m = rows.moments[k];
    moments[k] = {hn::Set(d, m.mean), hn::Set(d, m.rstd), hn::Set(d, m.rest)};
    even[k] = odd[k] = {hn::Zero(d), hn::Zero(d)};
  }
  size_t j = 0;
  for (; j + 2 * lanes <= rows.n; j += 2 * lanes) {
    add_elements<kRows, kParameters>(rows, moments, j, lanes, even);
    add_elements<kRows, kParameters>(rows, moments, j + lanes, lanes, odd);
  }
  for (; j < rows.n; j += lanes) {
    size_t rest = std::min(lanes, rows.n - j);
    add_elements<kRows, kParameters>(rows, moments, j, rest, even);
  }
  for (int k = 0; k < kRows; ++k) {
    sums[k] = {hn::GetLane(hn::SumOfLanes(d, even[k].first + odd[k].first)),
               hn::GetLane(hn::SumOfLanes(d, even[k].second + odd[k].second))};
  }
}

// dx = rstd (g - mean(g) - xhat mean(g xhat)) of the first row, where mean(g) is left out unless
// centered. Meanwhile what comes `ahead` rows later is fetched.
template <class T>
HWY_INLINE void layer_norm_dx(const GradRows<T>& rows, const TwoSums<T>& sums, size_t ahead) {
  const hn::ScalableTag<T> d;
  const Vec<T> center = hn::Set(d, rows.moments->mean);
  const Vec<T> scale = hn::Set(d, rows.moments->rstd);
  const Vec<T> rest = hn::Set(d, rows.moments->rest);
  auto size = static_cast<T>(rows.n);
  const Vec<T> mean_g = hn::Set(d, rows.centered ? sums.first / size : T{0});
  const Vec<T> mean_gx = hn::Set(d, sums.second / size);
  write_row<T>(rows.streams, rows.n, rows.dx, [&](size_t j, size_t lanes) HWY_ATTR {
    fetch_ahead(rows.x + ahead * rows.n + j);
    fetch_ahead(rows.dy + ahead * rows.n + j);
    Vec<T> xhat = ((load_lanes(rows.x + j, lanes) - center) - rest) * scale;
    Vec<T> g = load_lanes(rows.dy + j, lanes) * load_lanes(rows.w + j, lanes);
    return scale * (g - mean_g - xhat * mean_gx);
  });
}

// Rows that are read a second time while they are in the cache, and share a look at dw and db.
inline constexpr int kRowGroup = 2;

template <Parameters kParameters, class T>
void layer_norm_grad_tile(const GradRows<T>& tile, int64_t count) {
  for (int64_t i = 0; i < count; i += kRowGroup) {
    TwoSums<T> sums[kRowGroup];
    int64_t group = std::min<int64_t>(kRowGroup, count - i);
    if (group == kRowGroup) grad_sums<kRowGroup, kParameters>(tile.from(i), sums);
    else grad_sums<1, kParameters>(tile.from(i), sums);
    for (int64_t k = 0; k < group; ++k) {
      layer_norm_dx(tile.from(i + k), sums[k], kRowGroup);
    }
  }
  if (tile.streams) stream_fence();
}

template <class T>
void layer_norm_grad_tile(const GradRows<T>& tile, int64_t count) {
  if (tile.db) layer_norm_grad_tile<Parameters::weight_and_bias>(tile, count);
  else if (tile.dw) layer_norm_grad_tile<Parameters::weight>(tile, count);
  else layer_norm_grad_tile<Parameters::none>(tile, count);
}

template <class T>
void layer_norm_grad_typed(const Array& x, const Array& weight, const Array& mean,
                           const Array& rstd, const Array& dy, const Array& dx,
                           const Array& dweight, const Array& dbias) {
  int64_t rows = x.shape()[0];
  int64_t cols = x.shape()[1];
  int64_t tiles = (rows + kRowsPerTile - 1) / kRowsPerTile;
  bool sums = dweight.defined() || dbias.defined();
  Array partial_dw = sums ? Array::zeros({tiles, cols}, x.dtype()) : Array();
  Array partial_db = dbias.defined() ? Array::zeros({tiles, cols}, x.dtype()) : Array();
  bool streams = dx.nbytes() >= kStreamBytes;
  // Ones change no bit, and save the compiler half of the variants.
  Array w = weight.defined() ? weight : Array::full({cols}, 1, x.dtype());
  const T* means = data_or_null<T>(mean);
  T* dw = data_or_null<T>(partial_dw);
  T* db = data_or_null<T>(partial_db);
  parallel_tiles(rows, kRowsPerTile, [&](int64_t begin, int64_t end) {
    RowMoments<T> moments[kRowsPerTile];
    for (int64_t i = begin; i < end; ++i) {
      moments[i - begin] =
          moments_again(x.data<T>() + i * cols, cols, means ? means[i] : T{0}, rstd.data<T>()[i]);
    }
    int64_t at = begin / kRowsPerTile * cols;
    GradRows<T> tile{.x = x.data<T>() + begin * cols,
                     .w = w.data<T>(),
                     .moments = moments,
                     .dy = dy.data<T>() + begin * cols,
                     .dx = dx.data<T>() + begin * cols,
                     .dw = dw ? dw + at : nullptr,
                     .db = db ? db + at : nullptr,
                     .n = static_cast<size_t>(cols),
                     .centered = means != nullptr,
                     .streams = streams};
    layer_norm_grad_tile(tile, end - begin);
  });
  if (dweight.defined()) reduce_family().sum_columns(partial_dw, dweight);
  if (dbias.defined()) reduce_family().sum_columns(partial_db, dbias);
}

void run_layer_norm(const Array& x, const Array& weight, const Array& bias, double eps,
                    const Array& y, const Array& mean, const Array& rstd) {
  visit_f32_f64(x.dtype(), "layer_norm", [&](auto tag) {
    layer_norm_typed<typename decltype(tag)::type>(x, weight, bias, eps, y, mean, rstd);
  });
}

void run_layer_norm_grad(const Array& x, const Array& weight, const Array& mean, const Array& rstd,
                         const Array& dy, const Array& dx, const Array& dweight,
                         const Array& dbias) {
  visit_f32_f64(x.dtype(), "layer_norm_grad", [&](auto tag) {
    layer_norm_grad_typed<typename decltype(tag)::type>(x, weight, mean, rstd, dy, dx, dweight,
                                                        dbias);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_layer_norm);
HWY_EXPORT(run_layer_norm_grad);

namespace {

class Normalize final : public NormalizeFamily {
 public:
  void layer_norm(const Array& x, const Array& weight, const Array& bias, double eps,
                  const Array& y, const Array& mean, const Array& rstd) const override {
    HWY_DYNAMIC_DISPATCH(run_layer_norm)(x, weight, bias, eps, y, mean, rstd);
  }
  void layer_norm_grad(const Array& x, const Array& weight, const Array& mean, const Array& rstd,
                       const Array& dy, const Array& dx, const Array& dweight,
                       const Array& dbias) const override {
    HWY_DYNAMIC_DISPATCH(run_layer_norm_grad)(x, weight, mean, rstd, dy, dx, dweight, dbias);
  }
};

}  // namespace

const NormalizeFamily& normalize_family() {
  static const Normalize family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
