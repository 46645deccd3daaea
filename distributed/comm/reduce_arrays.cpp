#include "distributed/comm/reduce_arrays.h"

#include <cmath>

#include "distributed/comm/sum_arrays.h"

namespace tessera {
namespace {

// Elements summed at a time: their accumulators stay in the first-level cache, and an output that
// is also an input is written only after it was read.
constexpr int64_t kBlock = 1024;

// What elements of T are accumulated in.
template <class T>
struct AccumulatorOf {
  using type = T;
};
template <>
struct AccumulatorOf<BFloat16> {
  using type = float;
};
template <>
struct AccumulatorOf<Float16> {
  using type = float;
};
template <>
struct AccumulatorOf<int32_t> {
  using type = uint32_t;  // wraps, where int32_t's overflow is undefined
};
template <>
struct AccumulatorOf<int64_t> {
  using type = uint64_t;
};

struct Sum {
  template <class T, class A>
  static A run(A a, A b) {
    if constexpr (std::is_same_v<T, bool>) return a || b;
    else return static_cast<A>(a + b);
  }
};
struct Prod {
  template <class T, class A>
  static A run(A a, A b) {
    if constexpr (std::is_same_v<T, bool>) return a && b;
    else return static_cast<A>(a * b);
  }
};
// Order<T, A>: what to compare as, since int32_t and int64_t are held as unsigned.
template <class T, class A>
using Order = std::conditional_t<std::is_integral_v<T>, T, A>;
template <class A>
bool is_nan(A a) {
  if constexpr (std::is_floating_point_v<A>) return std::isnan(a);
  else return false;
}
struct Min {
  template <class T, class A>
  static A run(A a, A b) {
    return static_cast<Order<T, A>>(a) < static_cast<Order<T, A>>(b) || is_nan(a) ? a : b;
  }
};
struct Max {
  template <class T, class A>
  static A run(A a, A b) {
    return static_cast<Order<T, A>>(a) > static_cast<Order<T, A>>(b) || is_nan(a) ? a : b;
  }
};

// What becomes of the folded value at last.
struct Keep {
  template <class A>
  static A finish(A folded, size_t) {
    return folded;
  }
};
struct Divide {
  template <class A>
  static A finish(A folded, size_t num_inputs) {
    return static_cast<A>(folded / static_cast<A>(num_inputs));
  }
};

template <class T, class Op, class Last = Keep>
void reduce(std::span<const void* const> inputs, std::span<void* const> outputs, int64_t count) {
  using A = typename AccumulatorOf<T>::type;
  A sums[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    int64_t size = std::min(kBlock, count - begin);
    const T* first = static_cast<const T*>(inputs[0]) + begin;
    for (int64_t i = 0; i < size; ++i) sums[i] = convert<A>(first[i]);
    for (const void* input : inputs.subspan(1)) {
      const T* next = static_cast<const T*>(input) + begin;
      for (int64_t i = 0; i < size; ++i) {
        sums[i] = Op::template run<T, A>(sums[i], convert<A>(next[i]));
      }
    }
    for (void* output : outputs) {
      T* out = static_cast<T*>(output) + begin;
      for (int64_t i = 0; i < size; ++i) out[i] = convert<T>(Last::finish(sums[i], inputs.size()));
    }
  }
}

}  // namespace

void reduce_in_order(ReduceKind kind, DType dtype, std::span<const void* const> inputs,
                     void* output, int64_t count) {
  if (inputs.size() == 1 && inputs[0] == output) return;
  reduce_in_order(kind, dtype, inputs, {&output, 1}, count);
}

void reduce_in_order(ReduceKind kind, DType dtype, std::span<const void* const> inputs,
                     std::span<void* const> outputs, int64_t count) {
  TESSERA_ASSERT(!inputs.empty());
  if (kind == ReduceKind::sum && sums_fast(dtype)) {
    return sum_in_order(dtype, inputs, outputs, count);
  }
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    switch (kind) {
      case ReduceKind::sum: return reduce<T, Sum>(inputs, outputs, count);
      case ReduceKind::prod: return reduce<T, Prod>(inputs, outputs, count);
      case ReduceKind::min: return reduce<T, Min>(inputs, outputs, count);
      case ReduceKind::max: return reduce<T, Max>(inputs, outputs, count);
      case ReduceKind::mean: return reduce<T, Sum, Divide>(inputs, outputs, count);
    }
  });
}

}  // namespace tessera
