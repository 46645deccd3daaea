// Included once per instruction set: sums and maxima along a row. The order of the additions
// depends on the row's length and the vector's width alone.
#if defined(TESSERA_CORE_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CORE_CPU_ROWS_INL_H_
#undef TESSERA_CORE_CPU_ROWS_INL_H_
#else
#define TESSERA_CORE_CPU_ROWS_INL_H_
#endif

#include <limits>

#include "core/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Sum over i of term(i, lanes), where term gives the vector of elements i to i + lanes - 1 with
// zeros above. Four accumulators hide the latency of the addition.
template <class T, class F>
HWY_INLINE T sum_of(size_t count, F&& term) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  Vec<T> sum0 = hn::Zero(d);
  Vec<T> sum1 = hn::Zero(d);
  Vec<T> sum2 = hn::Zero(d);
  Vec<T> sum3 = hn::Zero(d);
  size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = sum0 + term(i, lanes);
    sum1 = sum1 + term(i + lanes, lanes);
    sum2 = sum2 + term(i + 2 * lanes, lanes);
    sum3 = sum3 + term(i + 3 * lanes, lanes);
  }
  for (; i + lanes <= count; i += lanes) sum0 = sum0 + term(i, lanes);
  if (i < count) sum1 = sum1 + term(i, count - i);
  return hn::GetLane(hn::SumOfLanes(d, (sum0 + sum1) + (sum2 + sum3)));
}

template <class T>
HWY_INLINE T row_sum(const T* x, size_t count) {
  return sum_of<T>(count,
                   [&](size_t i, size_t lanes) HWY_ATTR { return load_lanes(x + i, lanes); });
}

// The largest element; NaN if there is one, minus infinity if there is none.
template <class T>
HWY_INLINE T row_max(const T* x, size_t count) {
  const hn::ScalableTag<T> d;
  const Vec<T> lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  Vec<T> largest = lowest;
  Vec<T> nan_seen = hn::Zero(d);
  for_each_vector<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    Vec<T> v = load_lanes(x + i, lanes);
    if (lanes < hn::Lanes(d)) v = hn::IfThenElse(hn::FirstN(d, lanes), v, lowest);
    largest = hn::Max(largest, v);
    nan_seen = hn::IfThenElse(hn::IsNaN(v), v, nan_seen);
  });
  T nan_sum = hn::GetLane(hn::SumOfLanes(d, nan_seen));
  return nan_sum != nan_sum ? nan_sum : hn::GetLane(hn::MaxOfLanes(d, largest));
}

// y[i] = exp(x[i] - largest); returns the sum of y.
template <class T>
HWY_INLINE T exp_minus(const T* x, T largest, T* y, size_t count) {
  const VectorMath<T> m;
  const Vec<T> top = m.constant(largest);
  return sum_of<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    Vec<T> e = m.exp_nonpositive(load_lanes(x + i, lanes) - top);
    if (lanes < hn::Lanes(m.d)) e = hn::IfThenElseZero(hn::FirstN(m.d, lanes), e);
    store_lanes(e, lanes, y + i);
    return e;
  });
}

template <class T>
HWY_INLINE T row_dot(const T* a, const T* b, size_t count) {
  return sum_of<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    return load_lanes(a + i, lanes) * load_lanes(b + i, lanes);
  });
}

template <class T>
HWY_INLINE void scale_row(T factor, T* x, size_t count) {
  const Vec<T> f = hn::Set(hn::ScalableTag<T>(), factor);
  for_each_vector<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    store_lanes(load_lanes(x + i, lanes) * f, lanes, x + i);
  });
}

// to[i] += from[i]
template <class T>
HWY_INLINE void add_row(const T* from, T* to, size_t count) {
  for_each_vector<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    store_lanes(load_lanes(to + i, lanes) + load_lanes(from + i, lanes), lanes, to + i);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_CORE_CPU_ROWS_INL_H_
