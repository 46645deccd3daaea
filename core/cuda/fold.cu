#include "core/cuda/fold.cuh"

#include <cmath>
#include <limits>

#include "core/cuda/families.h"
#include "core/kernels/fold.h"

namespace tessera::cuda {

template <class V>
__device__ bool is_nan(V v) {
  return v != v;
}

// The smallest value of the type, or the largest.
template <class V>
__host__ __device__ constexpr V limit(bool lowest) {
  using Limits = std::numeric_limits<V>;
  if constexpr (Limits::has_infinity) return lowest ? -Limits::infinity() : Limits::infinity();
  else return lowest ? Limits::lowest() : Limits::max();
}

// What elements are added and multiplied in: unsigned for integers, whose overflow wraps.
template <class T>
using Summed = std::conditional_t<std::is_integral_v<T>, uint64_t, Widened<T>>;
template <class T>
using SumResult = std::conditional_t<std::is_integral_v<T>, int64_t, T>;

template <class Acc, class Out>
struct NanSumFold : SumFold<Acc, Out> {
  template <class V>
  __device__ Acc step(Acc acc, V v, int64_t, int64_t) const {
    return is_nan(v) ? acc : acc + static_cast<Acc>(v);
  }
};

template <class Acc, class Out>
struct ProductFold {
  __device__ Acc first() const { return Acc(1); }
  template <class V>
  __device__ Acc step(Acc acc, V v, int64_t, int64_t) const {
    return acc * static_cast<Acc>(v);
  }
  __device__ Acc join(Acc a, Acc b) const { return a * b; }
  __device__ Out result(Acc acc, int64_t) const { return Convert<Acc, Out>()(acc); }
};

// `v` replaces acc where it is larger (smaller) or NaN.
template <bool largest, class V>
__device__ V extreme_of(V acc, V v) {
  bool wins = largest ? v > acc : v < acc;
  return wins || is_nan(v) ? v : acc;
}

template <bool largest, class V, class Out>
struct ExtremeFold {
  __device__ V first() const { return limit<V>(largest); }
  __device__ V step(V acc, V v, int64_t, int64_t) const { return extreme_of<largest>(acc, v); }
  __device__ V join(V a, V b) const { return extreme_of<largest>(a, b); }
  __device__ Out result(V acc, int64_t) const { return Convert<V, Out>()(acc); }
};

// Whether any element is not zero, or none is zero. A NaN is not.
template <bool every>
struct TruthFold {
  __device__ int first() const { return every; }
  template <class V>
  __device__ int step(int acc, V v, int64_t, int64_t) const {
    return join(acc, v != V(0));
  }
  __device__ int join(int a, int b) const { return every ? a & b : a | b; }
  __device__ bool result(int acc, int64_t) const { return acc != 0; }
};

struct CountFold {
  __device__ int64_t first() const { return 0; }
  template <class V>
  __device__ int64_t step(int64_t acc, V v, int64_t, int64_t) const {
    return acc + (v != V(0));
  }
  __device__ int64_t join(int64_t a, int64_t b) const { return a + b; }
  __device__ int64_t result(int64_t acc, int64_t) const { return acc; }
};

template <class V>
struct Found {
  V value;
  int64_t index;  // negative where nothing is found yet
};

// The first index of the extreme element; the element itself goes to `values`.
template <bool largest, class V, class Out>
struct ArgFold {
  Out* values;

  __device__ static bool better(V a, V b) {
    return (largest ? a > b : a < b) || (is_nan(a) && !is_nan(b));
  }
  __device__ Found<V> first() const { return {V(0), -1}; }
  __device__ Found<V> step(Found<V> acc, V v, int64_t i, int64_t) const {
    return acc.index < 0 || better(v, acc.value) ? Found<V>{v, i} : acc;
  }
  __device__ Found<V> join(Found<V> a, Found<V> b) const {
    if (a.index < 0 || b.index < 0) return a.index < 0 ? b : a;
    if (better(a.value, b.value)) return a;
    return better(b.value, a.value) || b.index < a.index ? b : a;
  }
  __device__ int64_t result(Found<V> acc, int64_t o) const {
    values[o] = Convert<V, Out>()(acc.value);
    return acc.index;
  }
};

enum class NormKind { nonzeros, absolute, square, power, largest, smallest };

// In f64. `unit`, if there is one, has a number for each output which the elements are divided by
// before they are raised to a power: the largest of them (the smallest for a negative p), so that
// no power overflows or vanishes. Where that is 0, infinite or a NaN it is the result.
template <class Out>
struct NormFold {
  NormKind kind;
  double p;
  const double* unit;

  __device__ double first() const { return kind == NormKind::smallest ? HUGE_VAL : 0; }
  template <class V>
  __device__ double step(double acc, V v, int64_t, int64_t o) const {
    double size = std::fabs(static_cast<double>(v));
    if (unit && unit[o] > 0 && unit[o] < HUGE_VAL) size /= unit[o];
    switch (kind) {
      case NormKind::nonzeros: return acc + (size != 0 ? 1 : 0);
      case NormKind::absolute: return acc + size;
      case NormKind::square: return acc + size * size;
      case NormKind::power: return acc + std::pow(size, p);
      default: return join(acc, size);
    }
  }
  __device__ double join(double a, double b) const {
    if (kind == NormKind::largest) return extreme_of<true>(a, b);
    return kind == NormKind::smallest ? extreme_of<false>(a, b) : a + b;
  }
  __device__ Out result(double acc, int64_t o) const {
    if (kind == NormKind::square) acc = std::sqrt(acc);
    if (kind == NormKind::power) acc = std::pow(acc, 1 / p);
    if (unit) acc = unit[o] > 0 && unit[o] < HUGE_VAL ? acc * unit[o] : unit[o];
    return Convert<double, Out>()(acc);
  }
};

// A power of two that brings the largest magnitude to about 1; 1 for zero and what is not finite.
struct ScaleFold {
  __device__ double first() const { return 0; }
  __device__ double step(double acc, double v, int64_t, int64_t) const {
    return std::fabs(v) > acc ? std::fabs(v) : acc;
  }
  __device__ double join(double a, double b) const { return a > b ? a : b; }
  __device__ double result(double acc, int64_t) const {
    if (acc == 0 || acc == HUGE_VAL) return 1;
    int exponent = std::ilogb(acc);
    return std::ldexp(1.0, exponent < -1022 ? 1022 : -exponent);
  }
};

// The mean of the elements times `scale`, which is 1 where there is none.
struct MeanFold {
  double n;
  const double* scale;

  __device__ double first() const { return 0; }
  template <class V>
  __device__ double step(double acc, V v, int64_t, int64_t o) const {
    return acc + static_cast<double>(v) * (scale ? scale[o] : 1);
  }
  __device__ double join(double a, double b) const { return a + b; }
  __device__ double result(double acc, int64_t) const { return acc / n; }
};

// What a first mean leaves, and the squares of the distances from it.
struct Deviations {
  double sum, squares;
};

template <class Out>
struct VarianceFold {
  double n, divisor;
  bool root;
  const double* scale;
  const double* center;

  __device__ Deviations first() const { return {0, 0}; }
  template <class V>
  __device__ Deviations step(Deviations acc, V v, int64_t, int64_t o) const {
    double apart = static_cast<double>(v) * (scale ? scale[o] : 1) - center[o];
    return {acc.sum + apart, acc.squares + apart * apart};
  }
  __device__ Deviations join(Deviations a, Deviations b) const {
    return {a.sum + b.sum, a.squares + b.squares};
  }
  __device__ Out result(Deviations acc, int64_t o) const {
    double unit = scale ? scale[o] : 1;
    double squares = acc.squares - acc.sum * acc.sum / n;
    double var = (squares < 0 ? 0 : squares) / divisor;
    return Convert<double, Out>()(root ? std::sqrt(var) / unit : var / unit / unit);
  }
};

// The maximum, or 0 for an infinite one: it cannot be taken away from the elements, and exp of them
// is 0 or infinite anyhow.
template <class V>
struct TopFold : ExtremeFold<true, V, V> {
  __device__ V result(V acc, int64_t) const { return std::fabs(acc) == V(HUGE_VAL) ? V(0) : acc; }
};

template <class V, class Out>
struct LogSumExpFold : SumFold<V, Out> {
  const V* top;
  Out* rest;

  LogSumExpFold(const V* largest, Out* left) : top(largest), rest(left) {}
  __device__ V step(V acc, V v, int64_t, int64_t o) const { return acc + std::exp(v - top[o]); }
  __device__ Out result(V acc, int64_t o) const {
    V log_sum = std::log(acc);
    Out y = Convert<V, Out>()(log_sum + top[o]);
    if (rest) {
      // As on the CPU: from 64 on, and always in 16 bits.
      V rounded = widen(y);
      bool matters = !std::is_same_v<V, Out> || std::fabs(rounded) >= V(64);
      bool finite = std::fabs(rounded) < V(HUGE_VAL);
      rest[o] = Convert<V, Out>()(matters && finite ? (top[o] - rounded) + log_sum : V(0));
    }
    return y;
  }
};

namespace {

FoldShape shape_of(const Array& x, const Array& out) {
  int64_t n = out.numel() == 0 ? 0 : x.numel() / out.numel();
  return {out.shape()[0], n, out.shape().back()};
}

// Calls fn with the tag of a floating dtype.
template <class F>
void visit_floating(const char* op, DType dtype, F&& fn) {
  TESSERA_CHECK(is_floating(dtype), "[{}] expected a floating dtype, got {}", op, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) fn(tag);
  });
}

NormKind kind_of(double p) {
  if (p == 0) return NormKind::nonzeros;
  if (p == 1) return NormKind::absolute;
  if (p == 2) return NormKind::square;
  if (!std::isinf(p)) return NormKind::power;
  return p > 0 ? NormKind::largest : NormKind::smallest;
}

const double* data_or_null(const Array& x) {
  return x.defined() ? device_data<double>(x) : nullptr;
}

template <class T>
void run_op(FoldOp op, const Array& x, const Array& out) {
  FoldShape shape = shape_of(x, out);
  using V = Widened<T>;
  using Acc = Summed<T>;
  using Total = SumResult<T>;
  using OnDeviceTotal = OnDevice<Total>;
  using Same = OnDevice<T>;
  switch (op) {
    case FoldOp::sum: return launch_fold<T, Total>(shape, x, out, SumFold<Acc, OnDeviceTotal>());
    case FoldOp::nansum:
      return launch_fold<T, Total>(shape, x, out, NanSumFold<Acc, OnDeviceTotal>());
    case FoldOp::prod:
      return launch_fold<T, Total>(shape, x, out, ProductFold<Acc, OnDeviceTotal>());
    case FoldOp::min: return launch_fold<T, T>(shape, x, out, ExtremeFold<false, V, Same>());
    case FoldOp::max: return launch_fold<T, T>(shape, x, out, ExtremeFold<true, V, Same>());
    case FoldOp::any: return launch_fold<T, bool>(shape, x, out, TruthFold<false>());
    case FoldOp::all: return launch_fold<T, bool>(shape, x, out, TruthFold<true>());
    case FoldOp::count_nonzero: return launch_fold<T, int64_t>(shape, x, out, CountFold());
  }
}

class Fold final : public FoldFamily {
 public:
  void run(FoldOp op, const Array& x, const Array& out) const override {
    visit_dtype(x.dtype(), [&](auto tag) { run_op<typename decltype(tag)::type>(op, x, out); });
  }

  void arg(bool largest, const Array& x, const Array& values, const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      using V = Widened<T>;
      using Out = OnDevice<T>;
      FoldShape shape = shape_of(x, values);
      auto* to = static_cast<Out*>(values.device_raw());
      if (largest) launch_fold<T, int64_t>(shape, x, indices, ArgFold<true, V, Out>{to});
      else launch_fold<T, int64_t>(shape, x, indices, ArgFold<false, V, Out>{to});
    });
  }

  void norm(double p, const Array& x, const Array& out) const override {
    visit_floating("norm", x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      FoldShape shape = shape_of(x, out);
      NormKind kind = kind_of(p);
      // The squares of floats are within the range of f64.
      bool scaled =
          kind == NormKind::power || (kind == NormKind::square && std::is_same_v<T, double>);
      Array unit;
      if (scaled) {
        unit = Array::empty(out.shape(), DType::f64, out.device());
        NormKind extreme = p > 0 ? NormKind::largest : NormKind::smallest;
        launch_fold<T, double>(shape, x, unit, NormFold<double>{extreme, p, nullptr});
      }
      launch_fold<T, T>(shape, x, out, NormFold<OnDevice<T>>{kind, p, data_or_null(unit)});
    });
  }

  void variance(const Array& x, double divisor, bool root, const Array& out) const override {
    visit_floating("var", x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      FoldShape shape = shape_of(x, out);
      auto n = static_cast<double>(shape.n);
      Array mean = Array::empty(out.shape(), DType::f64, out.device());
      Array scale;
      if constexpr (std::is_same_v<T, double>) {
        scale = Array::empty(out.shape(), DType::f64, out.device());
        launch_fold<T, double>(shape, x, scale, ScaleFold());
      }
      launch_fold<T, double>(shape, x, mean, MeanFold{n, data_or_null(scale)});
      launch_fold<T, T>(shape, x, out,
                        VarianceFold<OnDevice<T>>{n, divisor, root, data_or_null(scale),
                                                  device_data<double>(mean)});
    });
  }

  void log_sum_exp(const Array& x, const Array& out, const Array& rest) const override {
    visit_floating("logsumexp", x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      using V = Widened<T>;
      using Out = OnDevice<T>;
      FoldShape shape = shape_of(x, out);
      Array top = Array::empty(out.shape(), dtype_of<V>(), out.device());
      launch_fold<T, V>(shape, x, top, TopFold<V>());
      auto* left = rest.defined() ? static_cast<Out*>(rest.device_raw()) : nullptr;
      launch_fold<T, T>(shape, x, out, LogSumExpFold<V, Out>(device_data<V>(top), left));
    });
  }
};

}  // namespace

const FoldFamily& fold_family() {
  static const Fold family;
  return family;
}

}  // namespace tessera::cuda
