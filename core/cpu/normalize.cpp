#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/normalize.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/cpu.h"
#include "core/cpu/rows-inl.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Rows per tile. The gradients of weight and bias are summed inside a tile, then over the tiles.
inline constexpr int64_t kRowsPerTile = 32;

template <class T>
void layer_norm_typed(const Array& x, const Array& weight, const Array& bias, double eps,
                      const Array& y, const Array& mean, const Array& rstd) {
  int64_t cols = x.shape()[1];
  auto n = static_cast<size_t>(cols);
  const T* w = weight.data<T>();
  const T* b = bias.data<T>();
  const hn::ScalableTag<T> d;
  parallel_tiles(x.shape()[0], kRowsPerTile, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = x.data<T>() + i * cols;
      T* out = y.data<T>() + i * cols;
      T mu = row_sum(row, n) / static_cast<T>(n);
      const Vec<T> center = hn::Set(d, mu);
      T variance = sum_of<T>(n,
                             [&](size_t j, size_t lanes) HWY_ATTR {
                               Vec<T> v = load_lanes(row + j, lanes) - center;
                               if (lanes < hn::Lanes(d))
                                 v = hn::IfThenElseZero(hn::FirstN(d, lanes), v);
                               return v * v;
                             }) /
                   static_cast<T>(n);
      T inverse = T{1} / std::sqrt(variance + static_cast<T>(eps));
      const Vec<T> scale = hn::Set(d, inverse);
      for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
        Vec<T> normal = (load_lanes(row + j, lanes) - center) * scale;
        store_lanes(hn::MulAdd(normal, load_lanes(w + j, lanes), load_lanes(b + j, lanes)), lanes,
                    out + j);
      });
      mean.data<T>()[i] = mu;
      rstd.data<T>()[i] = inverse;
    }
  });
}

// With xhat = (x - mean) rstd and g = dy weight:
// dx = rstd (g - mean(g) - xhat mean(g xhat)); dweight += dy xhat; dbias += dy
template <class T>
void layer_norm_grad_row(const T* x, const T* w, T mean, T rstd, const T* dy, T* dx, T* dw, T* db,
                         size_t n) {
  const hn::ScalableTag<T> d;
  const Vec<T> center = hn::Set(d, mean);
  const Vec<T> scale = hn::Set(d, rstd);
  auto xhat = [&](size_t j, size_t lanes)
                  HWY_ATTR { return (load_lanes(x + j, lanes) - center) * scale; };
  auto g = [&](size_t j, size_t lanes)
               HWY_ATTR { return load_lanes(dy + j, lanes) * load_lanes(w + j, lanes); };
  auto size = static_cast<T>(n);
  const Vec<T> mean_g = hn::Set(d, sum_of<T>(n, g) / size);
  const Vec<T> mean_gx = hn::Set(d, sum_of<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
                                      return g(j, lanes) * xhat(j, lanes);
                                    }) / size);
  for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
    Vec<T> xh = xhat(j, lanes);
    Vec<T> dyj = load_lanes(dy + j, lanes);
    store_lanes(scale * (g(j, lanes) - mean_g - xh * mean_gx), lanes, dx + j);
    store_lanes(hn::MulAdd(dyj, xh, load_lanes(dw + j, lanes)), lanes, dw + j);
    store_lanes(load_lanes(db + j, lanes) + dyj, lanes, db + j);
  });
}

template <class T>
void layer_norm_grad_typed(const Array& x, const Array& weight, const Array& mean,
                           const Array& rstd, const Array& dy, const Array& dx,
                           const Array& dweight, const Array& dbias) {
  int64_t rows = x.shape()[0];
  int64_t cols = x.shape()[1];
  auto n = static_cast<size_t>(cols);
  int64_t tiles = (rows + kRowsPerTile - 1) / kRowsPerTile;
  Array partial_dw = Array::zeros({tiles, cols}, x.dtype());
  Array partial_db = Array::zeros({tiles, cols}, x.dtype());
  parallel_tiles(rows, kRowsPerTile, [&](int64_t begin, int64_t end) {
    int64_t tile = begin / kRowsPerTile;
    for (int64_t i = begin; i < end; ++i) {
      layer_norm_grad_row(x.data<T>() + i * cols, weight.data<T>(), mean.data<T>()[i],
                          rstd.data<T>()[i], dy.data<T>() + i * cols, dx.data<T>() + i * cols,
                          partial_dw.data<T>() + tile * cols, partial_db.data<T>() + tile * cols,
                          n);
    }
  });
  reduce_family().sum_columns(partial_dw, dweight);
  reduce_family().sum_columns(partial_db, dbias);
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
