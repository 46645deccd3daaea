#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/normalize.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/convert.h"
#include "core/cpu/cpu.h"
#include "core/cpu/rows-inl.h"
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

template <class T>
struct RowMoments {
  T mean, rstd;
};

// With the mean square in place of the variance unless `centered`.
template <class T>
HWY_INLINE RowMoments<T> row_moments(const T* x, size_t n, bool centered, T eps) {
  const hn::ScalableTag<T> d;
  auto size = static_cast<T>(n);
  T mean = centered ? row_sum(x, n) / size : T{0};
  const Vec<T> center = hn::Set(d, mean);
  T squares = sum_of<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
    Vec<T> v = load_lanes(x + j, lanes) - center;
    if (lanes < hn::Lanes(d)) v = hn::IfThenElseZero(hn::FirstN(d, lanes), v);
    return v * v;
  });
  return {mean, T{1} / std::sqrt(squares / size + eps)};
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
      RowMoments<T> m = row_moments(row, n, means != nullptr, static_cast<T>(eps));
      scale_and_shift(row, m, data_or_null<T>(weight), data_or_null<T>(bias), streams,
                      y.data<T>() + i * cols, n);
      if (means) means[i] = m.mean;
      rstd.data<T>()[i] = m.rstd;
    }
    if (streams) stream_fence();
  });
}

// With xhat = (x - mean) rstd and g = dy weight:
// dx = rstd (g - mean(g) - xhat mean(g xhat)), where mean(g) is left out unless centered.
template <class T, bool kWeighted>
HWY_INLINE void layer_norm_dx(const T* x, const T* w, RowMoments<T> m, bool centered, const T* dy,
                              bool streams, T* dx, size_t n) {
  const hn::ScalableTag<T> d;
  const Vec<T> center = hn::Set(d, m.mean);
  const Vec<T> scale = hn::Set(d, m.rstd);
  auto xhat = [&](size_t j, size_t lanes)
                  HWY_ATTR { return (load_lanes(x + j, lanes) - center) * scale; };
  auto g = [&](size_t j, size_t lanes) HWY_ATTR {
    if constexpr (kWeighted) return load_lanes(dy + j, lanes) * load_lanes(w + j, lanes);
    else return load_lanes(dy + j, lanes);
  };
  auto size = static_cast<T>(n);
  TwoSums<T> sums = two_sums_of<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
    Vec<T> gj = g(j, lanes);
    return TwoSums<Vec<T>>{gj, gj * xhat(j, lanes)};
  });
  const Vec<T> mean_g = hn::Set(d, centered ? sums.first / size : T{0});
  const Vec<T> mean_gx = hn::Set(d, sums.second / size);
  write_row<T>(streams, n, dx, [&](size_t j, size_t lanes) HWY_ATTR {
    // The next row's elements are on their way while these are computed.
    fetch_ahead(x + n + j);
    fetch_ahead(dy + n + j);
    return scale * (g(j, lanes) - mean_g - xhat(j, lanes) * mean_gx);
  });
}

// dw += dy xhat; db += dy, over four rows at a time, one after the other.
template <class T, bool kBias>
HWY_INLINE void add_parameter_grads(const T* x, const RowMoments<T>* m, const T* dy, int64_t rows,
                                    size_t n, T* dw, T* db) {
  const hn::ScalableTag<T> d;
  for (int64_t i = 0; i < rows; i += 4) {
    int64_t group = std::min<int64_t>(4, rows - i);
    for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
      Vec<T> dwj = load_lanes(dw + j, lanes);
      Vec<T> dbj = hn::Zero(d);
      if constexpr (kBias) dbj = load_lanes(db + j, lanes);
      for (int64_t k = i; k < i + group; ++k) {
        size_t at = static_cast<size_t>(k) * n + j;
        Vec<T> xhat = (load_lanes(x + at, lanes) - hn::Set(d, m[k].mean)) * hn::Set(d, m[k].rstd);
        Vec<T> dyj = load_lanes(dy + at, lanes);
        dwj = hn::MulAdd(dyj, xhat, dwj);
        if constexpr (kBias) dbj = dbj + dyj;
      }
      store_lanes(dwj, lanes, dw + j);
      if constexpr (kBias) store_lanes(dbj, lanes, db + j);
    });
  }
}

// The rows of one tile, a few at a time, so that the second look at them finds them in the cache.
template <class T>
void layer_norm_grad_tile(const T* x, const T* w, const RowMoments<T>* m, bool centered,
                          const T* dy, int64_t rows, bool streams, size_t n, T* dx, T* dw, T* db) {
  for (int64_t i = 0; i < rows; i += 4) {
    int64_t group = std::min<int64_t>(4, rows - i);
    auto at = static_cast<size_t>(i) * n;
    for (int64_t k = 0; k < group; ++k) {
      size_t row = at + static_cast<size_t>(k) * n;
      if (w) layer_norm_dx<T, true>(x + row, w, m[i + k], centered, dy + row, streams, dx + row, n);
      else layer_norm_dx<T, false>(x + row, w, m[i + k], centered, dy + row, streams, dx + row, n);
    }
    if (db) add_parameter_grads<T, true>(x + at, m + i, dy + at, group, n, dw, db);
    else if (dw) add_parameter_grads<T, false>(x + at, m + i, dy + at, group, n, dw, db);
  }
  if (streams) stream_fence();
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
  const T* means = data_or_null<T>(mean);
  T* dw = data_or_null<T>(partial_dw);
  T* db = data_or_null<T>(partial_db);
  parallel_tiles(rows, kRowsPerTile, [&](int64_t begin, int64_t end) {
    RowMoments<T> moments[kRowsPerTile];
    for (int64_t i = begin; i < end; ++i) {
      moments[i - begin] = {means ? means[i] : T{0}, rstd.data<T>()[i]};
    }
    int64_t at = begin / kRowsPerTile * cols;
    layer_norm_grad_tile(x.data<T>() + begin * cols, data_or_null<T>(weight), moments,
                         means != nullptr, dy.data<T>() + begin * cols, end - begin, streams,
                         static_cast<size_t>(cols), dx.data<T>() + begin * cols,
                         dw ? dw + at : nullptr, db ? db + at : nullptr);
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
