#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/softmax.cpp"
#include <hwy/foreach_target.h>

#include "core/cpu/cpu.h"
#include "core/cpu/rows-inl.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Calls fn(row) for all rows on the pool, about 16k elements a tile.
template <class F>
void for_rows(const Array& x, F&& fn) {
  int64_t cols = std::max<int64_t>(x.shape()[1], 1);
  parallel_tiles(x.shape()[0], std::max<int64_t>(1, 16384 / cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fn(i);
  });
}

template <class T>
void softmax_typed(const Array& x, const Array& y) {
  int64_t cols = x.shape()[1];
  auto n = static_cast<size_t>(cols);
  for_rows(x, [&, from = x.data<T>(), to = y.data<T>()](int64_t i) {
    const T* row = from + i * cols;
    T sum = exp_minus(row, row_max(row, n), to + i * cols, n);
    scale_row(T{1} / sum, to + i * cols, n);
  });
}

// dx = y (dy - sum(y dy))
template <class T>
void softmax_grad_typed(const Array& y, const Array& dy, const Array& dx) {
  int64_t cols = y.shape()[1];
  auto n = static_cast<size_t>(cols);
  for_rows(y, [&, py = y.data<T>(), pdy = dy.data<T>(), pdx = dx.data<T>()](int64_t i) HWY_ATTR {
    const T* yr = py + i * cols;
    const T* dyr = pdy + i * cols;
    const Vec<T> dot = hn::Set(hn::ScalableTag<T>(), row_dot(yr, dyr, n));
    for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
      store_lanes(load_lanes(yr + j, lanes) * (load_lanes(dyr + j, lanes) - dot), lanes,
                  pdx + i * cols + j);
    });
  });
}

// The logsumexp of a row as the sum of its maximum and a logarithm: kept apart, neither rounds the
// other away when the logits are large.
template <class T>
struct LogSumExp {
  T largest;
  T log_sum;
};

// `scratch` holds the row's exponentials.
template <class T>
HWY_INLINE LogSumExp<T> log_sum_exp(const T* row, T* scratch, size_t n) {
  T largest = row_max(row, n);
  // A row of minus infinities has no finite shift.
  if (largest == -std::numeric_limits<T>::infinity()) return {largest, T{0}};
  return {largest, std::log(exp_minus(row, largest, scratch, n))};
}

template <class T>
void log_softmax_typed(const Array& x, const Array& y) {
  int64_t cols = x.shape()[1];
  auto n = static_cast<size_t>(cols);
  for_rows(x, [&, from = x.data<T>(), to = y.data<T>()](int64_t i) HWY_ATTR {
    const hn::ScalableTag<T> d;
    const T* row = from + i * cols;
    T* out = to + i * cols;
    const LogSumExp<T> lse = log_sum_exp(row, out, n);
    const Vec<T> largest = hn::Set(d, lse.largest);
    const Vec<T> log_sum = hn::Set(d, lse.log_sum);
    for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
      store_lanes((load_lanes(row + j, lanes) - largest) - log_sum, lanes, out + j);
    });
  });
}

// dx = dy - exp(y) sum(dy)
template <class T>
void log_softmax_grad_typed(const Array& y, const Array& dy, const Array& dx) {
  int64_t cols = y.shape()[1];
  auto n = static_cast<size_t>(cols);
  for_rows(y, [&, py = y.data<T>(), pdy = dy.data<T>(), pdx = dx.data<T>()](int64_t i) HWY_ATTR {
    const VectorMath<T> m;
    const T* dyr = pdy + i * cols;
    const Vec<T> sum = hn::Set(m.d, row_sum(dyr, n));
    for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
      Vec<T> p = m.exp_nonpositive(load_lanes(py + i * cols + j, lanes));
      store_lanes(load_lanes(dyr + j, lanes) - p * sum, lanes, pdx + i * cols + j);
    });
  });
}

template <class T>
void cross_entropy_typed(const Array& logits, const Array& targets, const Array& losses,
                         const Array& lse) {
  int64_t cols = logits.shape()[1];
  auto n = static_cast<size_t>(cols);
  const T* x = logits.data<T>();
  const auto* target = targets.data<int64_t>();
  T* loss = losses.data<T>();
  T* normalizer = lse.data<T>();
  // One row of exponentials per tile: they are needed for their sum only.
  parallel_tiles(logits.shape()[0], std::max<int64_t>(1, 16384 / std::max<int64_t>(cols, 1)),
                 [&](int64_t begin, int64_t end) {
                   Array scratch = Array::empty({cols}, logits.dtype());
                   for (int64_t i = begin; i < end; ++i) {
                     TESSERA_CHECK(target[i] >= 0 && target[i] < cols,
                                   "[cross_entropy] expected a target in [0, {}), got {} in row {}",
                                   cols, target[i], i);
                     const LogSumExp<T> parts = log_sum_exp(x + i * cols, scratch.data<T>(), n);
                     normalizer[i] = parts.largest + parts.log_sum;
                     loss[i] = (parts.largest - x[i * cols + target[i]]) + parts.log_sum;
                   }
                 });
}

template <class T>
void cross_entropy_grad_typed(const Array& logits, const Array& targets, const Array& lse,
                              const Array& dlosses, const Array& dlogits) {
  int64_t cols = logits.shape()[1];
  const T* x = logits.data<T>();
  const auto* target = targets.data<int64_t>();
  const T* normalizer = lse.data<T>();
  const T* scale = dlosses.data<T>();
  T* dx = dlogits.data<T>();
  for_rows(logits, [&](int64_t i) HWY_ATTR {
    const VectorMath<T> m;
    const Vec<T> shift = hn::Set(m.d, normalizer[i]);
    const Vec<T> factor = hn::Set(m.d, scale[i]);
    for_each_vector<T>(static_cast<size_t>(cols), [&](size_t j, size_t lanes) HWY_ATTR {
      Vec<T> p = m.exp_nonpositive(load_lanes(x + i * cols + j, lanes) - shift);
      store_lanes(p * factor, lanes, dx + i * cols + j);
    });
    dx[i * cols + target[i]] -= scale[i];
  });
}

void run_softmax(const Array& x, const Array& y) {
  visit_f32_f64(x.dtype(), "softmax",
                [&](auto tag) { softmax_typed<typename decltype(tag)::type>(x, y); });
}
void run_softmax_grad(const Array& y, const Array& dy, const Array& dx) {
  visit_f32_f64(y.dtype(), "softmax_grad",
                [&](auto tag) { softmax_grad_typed<typename decltype(tag)::type>(y, dy, dx); });
}
void run_log_softmax(const Array& x, const Array& y) {
  visit_f32_f64(x.dtype(), "log_softmax",
                [&](auto tag) { log_softmax_typed<typename decltype(tag)::type>(x, y); });
}
void run_log_softmax_grad(const Array& y, const Array& dy, const Array& dx) {
  visit_f32_f64(y.dtype(), "log_softmax_grad",
                [&](auto tag) { log_softmax_grad_typed<typename decltype(tag)::type>(y, dy, dx); });
}
void run_cross_entropy(const Array& logits, const Array& targets, const Array& losses,
                       const Array& lse) {
  visit_f32_f64(logits.dtype(), "cross_entropy", [&](auto tag) {
    cross_entropy_typed<typename decltype(tag)::type>(logits, targets, losses, lse);
  });
}
void run_cross_entropy_grad(const Array& logits, const Array& targets, const Array& lse,
                            const Array& dlosses, const Array& dlogits) {
  visit_f32_f64(logits.dtype(), "cross_entropy_grad", [&](auto tag) {
    cross_entropy_grad_typed<typename decltype(tag)::type>(logits, targets, lse, dlosses, dlogits);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_softmax);
HWY_EXPORT(run_softmax_grad);
HWY_EXPORT(run_log_softmax);
HWY_EXPORT(run_log_softmax_grad);
HWY_EXPORT(run_cross_entropy);
HWY_EXPORT(run_cross_entropy_grad);

namespace {

class Softmax final : public SoftmaxFamily {
 public:
  void softmax(const Array& x, const Array& y) const override {
    HWY_DYNAMIC_DISPATCH(run_softmax)(x, y);
  }
  void softmax_grad(const Array& y, const Array& dy, const Array& dx) const override {
    HWY_DYNAMIC_DISPATCH(run_softmax_grad)(y, dy, dx);
  }
  void log_softmax(const Array& x, const Array& y) const override {
    HWY_DYNAMIC_DISPATCH(run_log_softmax)(x, y);
  }
  void log_softmax_grad(const Array& y, const Array& dy, const Array& dx) const override {
    HWY_DYNAMIC_DISPATCH(run_log_softmax_grad)(y, dy, dx);
  }
  void cross_entropy(const Array& logits, const Array& targets, const Array& losses,
                     const Array& lse) const override {
    HWY_DYNAMIC_DISPATCH(run_cross_entropy)(logits, targets, losses, lse);
  }
  void cross_entropy_grad(const Array& logits, const Array& targets, const Array& lse,
                          const Array& dlosses, const Array& dlogits) const override {
    HWY_DYNAMIC_DISPATCH(run_cross_entropy_grad)(logits, targets, lse, dlosses, dlogits);
  }
};

}  // namespace

const SoftmaxFamily& softmax_family() {
  static const Softmax family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
