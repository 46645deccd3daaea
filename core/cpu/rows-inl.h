// Included once per instruction set: sums and maxima along a row. The order of the additions
// depends on the row's length and the vector's width alone.
#if defined(TESSERA_CORE_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CORE_CPU_ROWS_INL_H_
#undef TESSERA_CORE_CPU_ROWS_INL_H_
#else
#define TESSERA_CORE_CPU_ROWS_INL_H_
#endif

#include <hwy/cache_control.h>
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

// The largest element where none is a NaN, else any element or a NaN: for those who find the NaN
// in what they compute from it. Minus infinity if there is none.
template <class T>
HWY_INLINE T row_max_of_numbers(const T* x, size_t count) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const Vec<T> lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  Vec<T> max0 = lowest;
  Vec<T> max1 = lowest;
  size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    max0 = hn::Max(max0, hn::LoadU(d, x + i));
    max1 = hn::Max(max1, hn::LoadU(d, x + i + lanes));
  }
  for (; i < count; i += lanes) {
    size_t rest = std::min(lanes, count - i);
    Vec<T> v = load_lanes(x + i, rest);
    max0 = hn::Max(max0, rest < lanes ? hn::IfThenElse(hn::FirstN(d, rest), v, lowest) : v);
  }
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(max0, max1)));
}

// Fetches what will be read soon, but not at once, into the second-level cache: the first would
// lose it again, or what it holds for now.
template <class T>
HWY_INLINE void fetch_ahead(const T* at) {
  constexpr int kForReading = 0;
  constexpr int kNotTheFirstLevel = 2;
  __builtin_prefetch(at, kForReading, kNotTheFirstLevel);
}

// y[i] = kExpScale exp(x[i] - largest); returns the sum of y. Meanwhile `next`, of which nothing is
// read, is fetched into the cache: what comes after x.
template <class T>
HWY_INLINE T exp_minus(const T* x, T largest, T* y, size_t count, const T* next) {
  const VectorMath<T> m;
  const Vec<T> top = m.constant(largest);
  return sum_of<T>(count, [&](size_t i, size_t lanes) HWY_ATTR {
    fetch_ahead(next + i);
    Vec<T> e = m.scaled_exp_nonpositive(load_lanes(x + i, lanes) - top);
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

// Results of this size and more are written past the caches, which they would not fit into.
inline constexpr size_t kStreamBytes = size_t{8} << 20;

// out[i] = term(i, lanes), where term gives the vector of elements i to i + lanes - 1, of which
// none may depend on where its vector begins; past the caches if `streams`, and then a
// stream_fence() is due before others read it.
template <class T, class F>
HWY_INLINE void write_row(bool streams, size_t count, T* out, F&& term) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  if (streams) {
    size_t past = reinterpret_cast<uintptr_t>(out) / sizeof(T) % lanes;
    if (past > 0) {
      i = std::min(count, lanes - past);
      store_first(term(0, i), d, i, out);
    }
    for (; i + lanes <= count; i += lanes) hn::Stream(term(i, lanes), d, out + i);
  } else {
    for (; i + lanes <= count; i += lanes) hn::StoreU(term(i, lanes), d, out + i);
  }
  if (i < count) store_first(term(i, count - i), d, count - i, out + i);
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
