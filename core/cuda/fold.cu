#include "core/cuda/fold.cuh"

#include <cmath>
#include <limits>

#include "core/cuda/backend.h"

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

template <class V, class Out>
struct NormFold {
  NormKind kind;
  V p;

  __device__ V first() const { return kind == NormKind::smallest ? limit<V>(false) : V(0); }
  __device__ V step(V acc, V v, int64_t, int64_t) const {
    V size = std::fabs(v);
    switch (kind) {
      case NormKind::nonzeros: return acc + V(v != 0);
      case NormKind::absolute: return acc + size;
      case NormKind::square: return acc + v * v;
      case NormKind::power: return acc + std::pow(size, p);
      default: return join(acc, size);
    }
  }
  __device__ V join(V a, V b) const {
    if (kind == NormKind::largest) return extreme_of<true>(a, b);
    return kind == NormKind::smallest ? extreme_of<false>(a, b) : a + b;
  }
  __device__ Out result(V acc, int64_t) const {
    if (kind == NormKind::square) acc = std::sqrt(acc);
    if (kind == NormKind::power) acc = std::pow(acc, V(1) / p);
    return Convert<V, Out>()(acc);
  }
};

template <class V>
struct DeviationFold : SumFold<V, V> {
  const V* center;

  explicit DeviationFold(const V* mean) : center(mean) {}
  __device__ V step(V acc, V v, int64_t, int64_t o) const {
    V apart = v - center[o];
    return acc + apart * apart;
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

  explicit LogSumExpFold(const V* largest) : top(largest) {}
  __device__ V step(V acc, V v, int64_t, int64_t o) const { return acc + std::exp(v - top[o]); }
  __device__ Out result(V acc, int64_t o) const {
    return Convert<V, Out>()(std::log(acc) + top[o]);
  }
};

namespace {

FoldShape shape_of(const Array& x) { return {x.shape()[0], x.shape()[1], x.shape()[2]}; }

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

template <class T>
void run_op(FoldOp op, const Array& x, const Array& out) {
  FoldShape shape = shape_of(x);
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
      FoldShape shape = shape_of(x);
      auto* to = static_cast<Out*>(values.raw());
      if (largest) launch_fold<T, int64_t>(shape, x, indices, ArgFold<true, V, Out>{to});
      else launch_fold<T, int64_t>(shape, x, indices, ArgFold<false, V, Out>{to});
    });
  }

  void norm(double p, const Array& x, const Array& out) const override {
    visit_floating("norm", x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      using V = Widened<T>;
      launch_fold<T, T>(shape_of(x), x, out,
                        NormFold<V, OnDevice<T>>{kind_of(p), static_cast<V>(p)});
    });
  }

  void square_deviations(const Array& x, const Array& mean, const Array& out) const override {
    visit_floating("var", x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      using V = Widened<T>;
      launch_fold<T, V>(shape_of(x), x, out, DeviationFold<V>(mean.data<V>()));
    });
  }

  void log_sum_exp(const Array& x, const Array& out) const override {
    visit_floating("logsumexp", x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      using V = Widened<T>;
      Array top = Array::empty(out.shape(), dtype_of<V>(), out.device());
      launch_fold<T, V>(shape_of(x), x, top, TopFold<V>());
      launch_fold<T, T>(shape_of(x), x, out, LogSumExpFold<V, OnDevice<T>>(top.data<V>()));
    });
  }
};

}  // namespace

const FoldFamily& fold_family() {
  static const Fold family;
  return family;
}

}  // namespace tessera::cuda
