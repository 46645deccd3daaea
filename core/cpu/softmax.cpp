#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/softmax.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/convert.h"
#include "core/cpu/cpu.h"
#include "core/cpu/rounding.h"
#include "core/cpu/rows-inl.h"
#include "core/kernels/softmax.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Calls fn(row) for all rows on the pool, about 16k elements a tile. `scratch_cols` elements of
// scratch come with each tile.
template <class T, class F>
void for_rows(int64_t rows, int64_t cols, int64_t scratch_cols, bool streams, F&& fn) {
  int64_t tile = std::max<int64_t>(1, 16384 / std::max<int64_t>(cols, 1));
  parallel_tiles(rows, tile, [&](int64_t begin, int64_t end) {
    Array scratch = Array::empty({scratch_cols}, dtype_of<T>());
    for (int64_t i = begin; i < end; ++i) fn(i, scratch.data<T>());
    if (streams) stream_fence();
  });
}

// Softmax along the rows of (rows, cols).
template <class T>
void softmax_rows(const T* x, T* y, int64_t rows, int64_t cols, bool streams) {
  auto n = static_cast<size_t>(cols);
  for_rows<T>(rows, cols, streams ? cols : 0, streams, [&](int64_t i, T* scratch) HWY_ATTR {
    const T* row = x + i * cols;
    T* out = y + i * cols;
    T* e = streams ? scratch : out;
    T sum = exp_minus(row, row_max_of_numbers(row, n), e, n, row + n);
    const Vec<T> scale = hn::Set(hn::ScalableTag<T>(), T{1} / sum);
    write_row<T>(streams, n, out,
                 [&](size_t j, size_t lanes) HWY_ATTR { return load_lanes(e + j, lanes) * scale; });
  });
}

// The logsumexp of a row as the sum of its maximum and a logarithm: kept apart, neither rounds the
// other away when the logits are large.
template <class T>
struct LogSumExp {
  T largest;
  T log_sum;
};

// Sum of exp(x - largest). Meanwhile what comes after x is fetched into the cache.
template <class T>
HWY_INLINE T sum_exp_minus(const T* x, T largest, size_t n) {
  const VectorMath<T> m;
  const Vec<T> top = m.constant(largest);
  T sum = sum_of<T>(n, [&](size_t i, size_t lanes) HWY_ATTR {
    fetch_ahead(x + n + i);
    Vec<T> e = m.scaled_exp_nonpositive(load_lanes(x + i, lanes) - top);
    return lanes < hn::Lanes(m.d) ? hn::IfThenElseZero(hn::FirstN(m.d, lanes), e) : e;
  });
  return sum * static_cast<T>(1 / VectorMath<T>::kExpScale);
}

// A NaN if there is one, else 0.
template <class T>
HWY_INLINE T row_nan(const T* x, size_t n) {
  return sum_of<T>(n, [&](size_t i, size_t lanes) HWY_ATTR {
    Vec<T> v = load_lanes(x + i, lanes);
    return hn::IfThenElseZero(hn::IsNaN(v), v);
  });
}

// In one pass over memory: blocks of a row are read a second time while they are in the cache, and
// a block with a new maximum scales what was summed before it.
template <class T>
HWY_INLINE LogSumExp<T> log_sum_exp(const T* row, size_t n) {
  constexpr size_t kBlock = 2048;
  constexpr T kLowest = -std::numeric_limits<T>::infinity();
  T largest = kLowest;
  T sum = 0;
  for (size_t j = 0; j < n; j += kBlock) {
    size_t count = std::min(kBlock, n - j);
    T top = row_max_of_numbers(row + j, count);
    if (top > largest) {
      sum *= std::exp(largest - top);
      largest = top;
    }
    // Nothing but minus infinities so far has no finite shift; anything else here is a NaN.
    sum += largest == kLowest && top == kLowest ? row_nan(row + j, count)
                                                : sum_exp_minus(row + j, largest, count);
  }
  return {largest, largest == kLowest ? sum : std::log(sum)};
}

template <class T>
void log_softmax_rows(const T* x, T* y, int64_t rows, int64_t cols, bool streams) {
  auto n = static_cast<size_t>(cols);
  for_rows<T>(rows, cols, 0, streams, [&](int64_t i, T*) HWY_ATTR {
    const hn::ScalableTag<T> d;
    const T* row = x + i * cols;
    const LogSumExp<T> lse = log_sum_exp(row, n);
    const Vec<T> largest = hn::Set(d, lse.largest);
    const Vec<T> log_sum = hn::Set(d, lse.log_sum);
    write_row<T>(streams, n, y + i * cols, [&](size_t j, size_t lanes) HWY_ATTR {
      return (load_lanes(row + j, lanes) - largest) - log_sum;
    });
  });
}

// dx = y (dy - sum(y dy))
template <class T>
void softmax_grad_rows(const T* y, const T* dy, T* dx, int64_t rows, int64_t cols, bool streams) {
  auto n = static_cast<size_t>(cols);
  for_rows<T>(rows, cols, 0, streams, [&](int64_t i, T*) HWY_ATTR {
    const T* yr = y + i * cols;
    const T* dyr = dy + i * cols;
    const Vec<T> dot = hn::Set(hn::ScalableTag<T>(), row_dot(yr, dyr, n));
    write_row<T>(streams, n, dx + i * cols, [&](size_t j, size_t lanes) HWY_ATTR {
      return load_lanes(yr + j, lanes) * (load_lanes(dyr + j, lanes) - dot);
    });
  });
}

// Whether a factor has all its digits after the division by kExpScale: then that is cheaper than
// one multiplication more for each exponential.
template <class T>
bool keeps_digits_unscaled(T factor) {
  return std::abs(factor) > T(0x1p-100);
}

// dx = dy - exp(y) sum(dy)
template <class T>
void log_softmax_grad_rows(const T* y, const T* dy, T* dx, int64_t rows, int64_t cols,
                           bool streams) {
  auto n = static_cast<size_t>(cols);
  for_rows<T>(rows, cols, 0, streams, [&](int64_t i, T*) HWY_ATTR {
    const VectorMath<T> m;
    const T* yr = y + i * cols;
    const T* dyr = dy + i * cols;
    const T total = row_sum(dyr, n);
    const Vec<T> sum = hn::Set(m.d, total);
    if (keeps_digits_unscaled(total)) {
      const Vec<T> unscaled = hn::Set(m.d, total * static_cast<T>(1 / VectorMath<T>::kExpScale));
      write_row<T>(streams, n, dx + i * cols, [&](size_t j, size_t lanes) HWY_ATTR {
        Vec<T> e = m.scaled_exp_nonpositive(load_lanes(yr + j, lanes));
        return load_lanes(dyr + j, lanes) - e * unscaled;
      });
    } else {
      write_row<T>(streams, n, dx + i * cols, [&](size_t j, size_t lanes) HWY_ATTR {
        return load_lanes(dyr + j, lanes) - m.exp_nonpositive(load_lanes(yr + j, lanes)) * sum;
      });
    }
  });
}

// Columns that are worked on together when the dim in question is not the last: enough for memory
// to be read in runs of 1 KiB.
inline constexpr size_t kColumns = 256;
// Rows of them that are read a second time from the first-level cache.
inline constexpr int64_t kColumnRows = 16;

// Calls fn(offset, count) for runs of up to kColumns neighbouring columns of (outer, size, inner).
template <class F>
void for_columns(const Array& x, bool streams, F&& fn) {
  constexpr auto kRun = static_cast<int64_t>(kColumns);
  int64_t inner = x.shape()[2];
  int64_t runs = (inner + kRun - 1) / kRun;
  int64_t tile = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, x.shape()[1] * kRun));
  parallel_tiles(x.shape()[0] * runs, tile, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t first = t % runs * kRun;
      fn(t / runs * x.shape()[1] * inner + first,
         static_cast<size_t>(std::min(kRun, inner - first)));
    }
    if (streams) stream_fence();
  });
}

// One number for each of the columns.
template <class T>
struct alignas(64) Columns {
  T values[kColumns];
};

// What exponentials are taken relative to: 0 where there is nothing but minus infinity.
template <class T>
HWY_INLINE Vec<T> shift_of(Vec<T> largest) {
  const hn::ScalableTag<T> d;
  const Vec<T> lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  return hn::IfThenElse(largest == lowest, hn::Zero(d), largest);
}

// Adds `rows` rows to the maxima and to the sums of kExpScale exp(x - largest).
template <class T>
HWY_INLINE void add_exponentials(const T* x, int64_t rows, int64_t stride, size_t count,
                                 Columns<T>& largest, Columns<T>& sums) {
  const VectorMath<T> m;
  for_each_vector<T>(count, [&](size_t j, size_t lanes) HWY_ATTR {
    Vec<T> before = load_lanes(largest.values + j, lanes);
    Vec<T> top = before;
    for (int64_t i = 0; i < rows; ++i) top = hn::Max(top, load_lanes(x + i * stride + j, lanes));
    const Vec<T> shift = shift_of<T>(top);
    Vec<T> sum = load_lanes(sums.values + j, lanes) * m.exp_nonpositive(before - shift);
    for (int64_t i = 0; i < rows; ++i) {
      sum = sum + m.scaled_exp_nonpositive(load_lanes(x + i * stride + j, lanes) - shift);
    }
    store_lanes(top, lanes, largest.values + j);
    store_lanes(sum, lanes, sums.values + j);
  });
}

template <class T, bool kLog>
void softmax_columns(const Array& x, const Array& y) {
  int64_t rows = x.shape()[1];
  int64_t stride = x.shape()[2];
  bool streams = y.nbytes() >= kStreamBytes;
  for_columns(x, streams, [&](int64_t offset, size_t count) HWY_ATTR {
    const VectorMath<T> m;
    const T* from = x.data<T>() + offset;
    Columns<T> largest;
    Columns<T> sums{};
    std::fill_n(largest.values, kColumns, -std::numeric_limits<T>::infinity());
    for (int64_t i = 0; i < rows; i += kColumnRows) {
      add_exponentials(from + i * stride, std::min(kColumnRows, rows - i), stride, count, largest,
                       sums);
    }
    for (T& sum : sums.values) {
      sum = kLog ? std::log(sum * static_cast<T>(1 / VectorMath<T>::kExpScale)) : T{1} / sum;
    }
    for (int64_t i = 0; i < rows; ++i) {
      const T* row = from + i * stride;
      write_row<T>(streams, count, y.data<T>() + offset + i * stride,
                   [&](size_t j, size_t lanes) HWY_ATTR {
                     Vec<T> top = load_lanes(largest.values + j, lanes);
                     Vec<T> sum = load_lanes(sums.values + j, lanes);
                     Vec<T> v = load_lanes(row + j, lanes);
                     if constexpr (kLog) return (v - top) - sum;
                     else return m.scaled_exp_nonpositive(v - shift_of<T>(top)) * sum;
                   });
    }
  });
}

template <class T, bool kLog>
void softmax_grad_columns(const Array& y, const Array& dy, const Array& dx) {
  int64_t rows = y.shape()[1];
  int64_t stride = y.shape()[2];
  bool streams = dx.nbytes() >= kStreamBytes;
  for_columns(y, streams, [&](int64_t offset, size_t count) HWY_ATTR {
    const VectorMath<T> m;
    const T* py = y.data<T>() + offset;
    const T* pdy = dy.data<T>() + offset;
    T* pdx = dx.data<T>() + offset;
    Columns<T> sums{};
    for (int64_t i = 0; i < rows; ++i) {
      for_each_vector<T>(count, [&](size_t j, size_t lanes) HWY_ATTR {
        int64_t at = i * stride + static_cast<int64_t>(j);
        Vec<T> v = load_lanes(pdy + at, lanes);
        if constexpr (!kLog) v = v * load_lanes(py + at, lanes);
        store_lanes(load_lanes(sums.values + j, lanes) + v, lanes, sums.values + j);
      });
    }
    for (int64_t i = 0; i < rows; ++i) {
      write_row<T>(streams, count, pdx + i * stride, [&](size_t j, size_t lanes) HWY_ATTR {
        int64_t at = i * stride + static_cast<int64_t>(j);
        Vec<T> sum = load_lanes(sums.values + j, lanes);
        Vec<T> v = load_lanes(pdy + at, lanes);
        Vec<T> yj = load_lanes(py + at, lanes);
        if constexpr (kLog) return v - m.exp_nonpositive(yj) * sum;
        else return yj * (v - sum);
      });
    }
  });
}

template <class T, bool kLog>
void softmax_typed(const Array& x, const Array& y) {
  if (x.shape()[2] != 1) return softmax_columns<T, kLog>(x, y);
  auto* rows = kLog ? log_softmax_rows<T> : softmax_rows<T>;
  rows(x.data<T>(), y.data<T>(), x.shape()[0], x.shape()[1], y.nbytes() >= kStreamBytes);
}

template <class T, bool kLog>
void softmax_grad_typed(const Array& y, const Array& dy, const Array& dx) {
  if (y.shape()[2] != 1) return softmax_grad_columns<T, kLog>(y, dy, dx);
  auto* rows = kLog ? log_softmax_grad_rows<T> : softmax_grad_rows<T>;
  rows(y.data<T>(), dy.data<T>(), dx.data<T>(), y.shape()[0], y.shape()[1],
       dx.nbytes() >= kStreamBytes);
}

// The classes' weights and what the smoothing needs of them.
template <class T>
struct ClassWeights {
  const T* weight;  // null: ones
  T sum;
  T target_share;  // 1 - label_smoothing
  T class_share;   // label_smoothing / classes

  ClassWeights(const CrossEntropyArgs& args, int64_t classes)
      : weight(args.weight.defined() ? args.weight.data<T>() : nullptr),
        sum(weight ? row_sum(weight, static_cast<size_t>(classes)) : static_cast<T>(classes)),
        target_share(static_cast<T>(1 - args.label_smoothing)),
        class_share(static_cast<T>(args.label_smoothing / static_cast<double>(classes))) {}
  T of(int64_t target) const { return weight ? weight[target] : T{1}; }
};

// sum over j of w[j] (lse - x[j]), lse in its two parts.
template <class T>
HWY_INLINE T smoothing_term(const T* x, const T* w, const LogSumExp<T>& lse, size_t n) {
  const hn::ScalableTag<T> d;
  const Vec<T> largest = hn::Set(d, lse.largest);
  const Vec<T> log_sum = hn::Set(d, lse.log_sum);
  return sum_of<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
    Vec<T> v = (largest - load_lanes(x + j, lanes)) + log_sum;
    if (w) v = v * load_lanes(w + j, lanes);
    return lanes < hn::Lanes(d) ? hn::IfThenElseZero(hn::FirstN(d, lanes), v) : v;
  });
}

template <class T>
void cross_entropy_typed(const Array& logits, const Array& targets, const CrossEntropyArgs& args,
                         const Array& losses, const Array& lse, const Array& weights) {
  int64_t rows = logits.shape()[0];
  int64_t cols = logits.shape()[1];
  auto n = static_cast<size_t>(cols);
  const auto* target = targets.data<int64_t>();
  const ClassWeights<T> w(args, cols);
  for_rows<T>(rows, cols, 0, false, [&](int64_t i, T*) HWY_ATTR {
    int64_t t = target[i];
    const T* x = logits.data<T>() + i * cols;
    bool ignored = t == args.ignore_index;
    TESSERA_CHECK(ignored || (t >= 0 && t < cols),
                  "[cross_entropy] expected a target in [0, {}), got {} in row {}", cols, t, i);
    LogSumExp<T> parts = ignored ? LogSumExp<T>{0, 0} : log_sum_exp(x, n);
    T loss = ignored ? 0 : w.of(t) * ((parts.largest - x[t]) + parts.log_sum);
    if (!ignored && w.class_share != 0) {
      loss = w.target_share * loss + w.class_share * smoothing_term(x, w.weight, parts, n);
    }
    T sum = parts.largest + parts.log_sum;
    lse.data<T>()[i] = sum;
    lse.data<T>()[rows + i] = rounding_rest(parts.largest, parts.log_sum, sum);
    losses.data<T>()[i] = loss;
    weights.data<T>()[i] = ignored ? T{0} : w.of(t);
  });
}

template <class T>
HWY_INLINE void cross_entropy_grad_row(const T* x, T lse, T lse_rest, T dloss, int64_t target,
                                       const ClassWeights<T>& w, bool streams, T* dx, size_t n) {
  const VectorMath<T> m;
  const T hit = dloss * w.target_share * w.of(target);
  const Vec<T> shift = hn::Set(m.d, lse);
  const Vec<T> rest = hn::Set(m.d, lse_rest);
  const T factor = hit + dloss * w.class_share * w.sum;
  const Vec<T> scale = hn::Set(m.d, factor);
  const Vec<T> unscaled = hn::Set(m.d, factor * static_cast<T>(1 / VectorMath<T>::kExpScale));
  // The usual rows.
  auto term = [&](size_t j, size_t lanes) HWY_ATTR {
    return m.scaled_exp_nonpositive(load_lanes(x + j, lanes) - shift) * unscaled;
  };
  bool usual = lse_rest == 0 && keeps_digits_unscaled(factor);
  auto exact_term = [&](size_t j, size_t lanes) HWY_ATTR {
    return m.exp_nonpositive((load_lanes(x + j, lanes) - shift) - rest) * scale;
  };
  if (w.class_share == 0) {
    if (usual) write_row<T>(streams, n, dx, term);
    else write_row<T>(streams, n, dx, exact_term);
  } else {
    const Vec<T> share = hn::Set(m.d, dloss * w.class_share);
    write_row<T>(streams, n, dx, [&](size_t j, size_t lanes) HWY_ATTR {
      return exact_term(j, lanes) - (w.weight ? share * load_lanes(w.weight + j, lanes) : share);
    });
  }
  // What was written past the caches comes back for one element.
  dx[target] -= hit;
}

template <class T>
void cross_entropy_grad_typed(const Array& logits, const Array& targets,
                              const CrossEntropyArgs& args, const Array& lse, const Array& dlosses,
                              const Array& dlogits) {
  int64_t rows = logits.shape()[0];
  int64_t cols = logits.shape()[1];
  auto n = static_cast<size_t>(cols);
  const T* shift = lse.data<T>();
  const auto* target = targets.data<int64_t>();
  const ClassWeights<T> w(args, cols);
  bool streams = dlogits.nbytes() >= kStreamBytes;
  for_rows<T>(rows, cols, 0, streams, [&](int64_t i, T*) HWY_ATTR {
    T* dx = dlogits.data<T>() + i * cols;
    if (target[i] == args.ignore_index) {
      std::fill_n(dx, n, T{0});
      return;
    }
    cross_entropy_grad_row(logits.data<T>() + i * cols, shift[i], shift[rows + i],
                           dlosses.data<T>()[i], target[i], w, streams, dx, n);
  });
}

void run_softmax(const Array& x, const Array& y, bool log) {
  visit_f32_f64(x.dtype(), "softmax", [&](auto tag) {
    using T = typename decltype(tag)::type;
    (log ? softmax_typed<T, true> : softmax_typed<T, false>)(x, y);
  });
}
void run_softmax_grad(const Array& y, const Array& dy, const Array& dx, bool log) {
  visit_f32_f64(y.dtype(), "softmax_grad", [&](auto tag) {
    using T = typename decltype(tag)::type;
    (log ? softmax_grad_typed<T, true> : softmax_grad_typed<T, false>)(y, dy, dx);
  });
}
void run_cross_entropy(const Array& logits, const Array& targets, const CrossEntropyArgs& args,
                       const Array& losses, const Array& lse, const Array& weights) {
  visit_f32_f64(logits.dtype(), "cross_entropy", [&](auto tag) {
    cross_entropy_typed<typename decltype(tag)::type>(logits, targets, args, losses, lse, weights);
  });
}
void run_cross_entropy_grad(const Array& logits, const Array& targets, const CrossEntropyArgs& args,
                            const Array& lse, const Array& dlosses, const Array& dlogits) {
  visit_f32_f64(logits.dtype(), "cross_entropy_grad", [&](auto tag) {
    cross_entropy_grad_typed<typename decltype(tag)::type>(logits, targets, args, lse, dlosses,
                                                           dlogits);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_softmax);
HWY_EXPORT(run_softmax_grad);
HWY_EXPORT(run_cross_entropy);
HWY_EXPORT(run_cross_entropy_grad);

namespace {

class Softmax final : public SoftmaxFamily {
 public:
  void softmax(const Array& x, const Array& y) const override {
    HWY_DYNAMIC_DISPATCH(run_softmax)(x, y, false);
  }
  void softmax_grad(const Array& y, const Array& dy, const Array& dx) const override {
    HWY_DYNAMIC_DISPATCH(run_softmax_grad)(y, dy, dx, false);
  }
  void log_softmax(const Array& x, const Array& y) const override {
    HWY_DYNAMIC_DISPATCH(run_softmax)(x, y, true);
  }
  void log_softmax_grad(const Array& y, const Array& dy, const Array& dx) const override {
    HWY_DYNAMIC_DISPATCH(run_softmax_grad)(y, dy, dx, true);
  }
  void cross_entropy(const Array& logits, const Array& targets, const CrossEntropyArgs& args,
                     const Array& losses, const Array& lse, const Array& weights) const override {
    HWY_DYNAMIC_DISPATCH(run_cross_entropy)(logits, targets, args, losses, lse, weights);
  }
  void cross_entropy_grad(const Array& logits, const Array& targets, const CrossEntropyArgs& args,
                          const Array& lse, const Array& dlosses,
                          const Array& dlogits) const override {
    HWY_DYNAMIC_DISPATCH(run_cross_entropy_grad)(logits, targets, args, lse, dlosses, dlogits);
  }
};

}  // namespace

const SoftmaxFamily& softmax_family() {
  static const Softmax family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
