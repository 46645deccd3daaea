// Included once per instruction set by Highway's foreach_target: the math policy of formulas.inc on
// vector registers, and helpers that kernels share.
#if defined(TESSERA_CORE_CPU_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CORE_CPU_MATH_INL_H_
#undef TESSERA_CORE_CPU_MATH_INL_H_
#else
#define TESSERA_CORE_CPU_MATH_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/formulas.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

namespace formulas {
#define TESSERA_FUNCTION HWY_INLINE
#include "core/formulas.inc"
#undef TESSERA_FUNCTION
}  // namespace formulas

template <class T>
using Vec = hn::Vec<hn::ScalableTag<T>>;

template <class T>
struct VectorMath {
  hn::ScalableTag<T> d;
  using V = Vec<T>;

  HWY_INLINE V constant(double value) const { return hn::Set(d, static_cast<T>(value)); }
  HWY_INLINE V neg(V x) const { return hn::Neg(x); }
  HWY_INLINE V abs(V x) const { return hn::Abs(x); }
  HWY_INLINE V sqrt(V x) const { return hn::Sqrt(x); }
  HWY_INLINE V floor(V x) const { return hn::Floor(x); }
  HWY_INLINE V ceil(V x) const { return hn::Ceil(x); }
  HWY_INLINE V round(V x) const { return hn::Round(x); }
  HWY_INLINE V trunc(V x) const { return hn::Trunc(x); }
  // Of numbers from 0 to 1, and a NaN.
  HWY_INLINE V log1p(V x) const { return where(is_nan(x), x, hn::Log1p(d, x)); }
  // Of numbers up to 0; others give something that the caller drops.
  HWY_INLINE V expm1(V x) const {
    V inside = hn::Min(hn::Max(x, constant(-50)), constant(1));
    return where(is_nan(x), x, hn::Expm1(d, inside));
  }
  HWY_INLINE V fma(V a, V b, V c) const { return hn::MulAdd(a, b, c); }
  HWY_INLINE V log(V x) const {
    // Highway's logarithm is for positive finite numbers; the rest is set by hand.
    V y = hn::Log(d, x);
    y = where(x == constant(0), constant(-HUGE_VAL), y);
    y = where(x == constant(HUGE_VAL), x, y);
    return where(less(x, constant(0)), constant(std::nan("")), where(is_nan(x), x, y));
  }
  HWY_INLINE V exp(V x) const {
    if constexpr (sizeof(T) == 4) return exp_f32(x);
    // Highway's exponential is for the range where the result is a normal number.
    constexpr double kHighest = 709.782712893384;
    constexpr double kLowest = -746.0;
    V inside = hn::Min(hn::Max(x, constant(kLowest)), constant(kHighest));
    V y = hn::Exp(d, inside);
    y = where(less(constant(kHighest), x), constant(HUGE_VAL), y);
    return where(is_nan(x), x, where(less(x, constant(kLowest)), constant(0), y));
  }
  // exp(x) for x <= 0, as after a maximum was taken away: no guard against overflow.
  HWY_INLINE V exp_nonpositive(V x) const {
    if constexpr (sizeof(T) == 4) return scaled_exp_nonpositive(x) * constant(1 / kExpScale);
    return scaled_exp_nonpositive(x);
  }
  // kExpScale exp(x): for those who multiply by something anyhow, since f32 has its last digits
  // below the normal numbers from the multiplication by 1 / kExpScale.
  static constexpr double kExpScale = sizeof(T) == 4 ? 0x1p24 : 1;
  HWY_INLINE V scaled_exp_nonpositive(V x) const {
    if constexpr (sizeof(T) == 4) return scaled_exp_nonpositive_f32(x);
    return where(is_nan(x), x, hn::Exp(d, x));
  }
  HWY_INLINE V tanh(V x) const {
    V y = hn::Tanh(d, hn::Min(hn::Max(x, constant(-30)), constant(30)));
    return where(is_nan(x), x, y);
  }
  HWY_INLINE V erf(V x) const {
    if constexpr (sizeof(T) == 8) {
      return lane_by_lane(x, [](double lane) { return std::erf(lane); });
    } else {
      return erf_f32(x);
    }
  }
  template <class Mask>
  HWY_INLINE V where(Mask mask, V yes, V no) const {
    return hn::IfThenElse(mask, yes, no);
  }
  HWY_INLINE auto equal(V a, V b) const { return a == b; }
  HWY_INLINE auto less(V a, V b) const { return a < b; }
  HWY_INLINE auto less_equal(V a, V b) const { return a <= b; }
  // Not x != x: Highway's comparison is an ordered one, false for a NaN.
  HWY_INLINE auto is_nan(V x) const { return hn::IsNaN(x); }

 private:
  // exp(x) = 2^n exp(r) with n = round(x / log 2) and |r| <= log(2) / 2, where
  // exp(r) = 1 + r + r^2 Q(r), fitted to the relative error (at most 1e-7 with the rounding of the
  // evaluation). Adding `magic`, whose last bit is worth 1, rounds x / log 2 to an integer that
  // stands in the last bits of the sum.
  HWY_INLINE V reduced_exp(V x, V magic, V& rounded) const {
    rounded = hn::MulAdd(x, constant(0x1.715476p+0), magic);
    V n = rounded - magic;
    // log 2 in two parts, the first short enough for its product with n to be exact.
    V r = hn::NegMulAdd(n, constant(0x1.62e000p-1), x);
    r = hn::NegMulAdd(n, constant(0x1.0bfbe8p-15), r);
    V q = constant(0x1.687a68p-10);
    q = hn::MulAdd(q, r, constant(0x1.123c28p-7));
    q = hn::MulAdd(q, r, constant(0x1.555b5ep-5));
    q = hn::MulAdd(q, r, constant(0x1.55548ep-3));
    q = hn::MulAdd(q, r, constant(0x1.fffff8p-2));
    q = hn::MulAdd(q, r, constant(1));
    return hn::MulAdd(q, r, constant(1));
  }
  // Minima and maxima with a constant first keep a NaN.
  HWY_INLINE V scaled_exp_nonpositive_f32(V x) const {
    // The last bits of the sum are those of the exponent of 2^(n + 24), by way of `magic`. At the
    // lowest x, which stands for all below, that power is 0: no product underflows there, which
    // costs some processors a hundred cycles.
    V rounded;
    V p = reduced_exp(hn::Max(constant(-105), x), constant(0x1.8p23 + 127 + 24), rounded);
    const hn::RebindToUnsigned<decltype(d)> bits;
    return p * hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(bits, rounded)));
  }
  // 2^n in two factors: beyond the range of normal numbers the second product rounds, once, to a
  // subnormal number, zero or infinity.
  HWY_INLINE V exp_f32(V x) const {
    V rounded;
    V inside = hn::Min(constant(89), hn::Max(constant(-104.5), x));
    V p = reduced_exp(inside, constant(0x1.8p23), rounded);
    const hn::RebindToSigned<decltype(d)> bits;
    auto n = hn::BitCast(bits, rounded) - hn::BitCast(bits, constant(0x1.8p23));
    auto half = hn::ShiftRight<1>(n);
    auto power = [&](auto exponent) HWY_ATTR {
      return hn::BitCast(d, hn::ShiftLeft<23>(exponent + hn::Set(bits, 127)));
    };
    return p * power(half) * power(n - half);
  }
  // x P(x^2) / Q(x^2) on [-4, 4], fitted to the relative error (at most 3.3e-7 with the rounding
  // of the evaluation); beyond 4, erf is 1 in single precision.
  HWY_INLINE V erf_f32(V x) const {
    V magnitude = hn::Min(constant(4), hn::Abs(x));
    V u = magnitude * magnitude;
    V p = constant(0x1.0aaa18p-19);
    p = hn::MulAdd(p, u, constant(0x1.2a61eap-12));
    p = hn::MulAdd(p, u, constant(0x1.fcf804p-9));
    p = hn::MulAdd(p, u, constant(0x1.b30102p-5));
    p = hn::MulAdd(p, u, constant(0x1.8c5ec2p-3));
    p = hn::MulAdd(p, u, constant(0x1.20dd74p+0));
    V q = constant(0x1.39e702p-15);
    q = hn::MulAdd(q, u, constant(0x1.36c696p-10));
    q = hn::MulAdd(q, u, constant(0x1.f24bfcp-7));
    q = hn::MulAdd(q, u, constant(0x1.d87712p-4));
    q = hn::MulAdd(q, u, constant(0x1.027c18p-1));
    q = hn::MulAdd(q, u, constant(1));
    return hn::CopySign(hn::Min(constant(1), magnitude * p / q), x);
  }

  template <class F>
  HWY_INLINE V lane_by_lane(V x, F fn) const {
    HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(T)];
    hn::Store(x, d, lanes);
    for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = fn(lanes[i]);
    return hn::Load(d, lanes);
  }
};

// SSE4 has no masked moves, and Highway's stand-ins touch the whole vector in memory.
inline constexpr bool kHasMaskedMoves = HWY_TARGET != HWY_SSE4;

// As std::copy_n, which does not know that there are no more of them than a vector has.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void copy_lanes(D d, const T* from, size_t count, T* to) {
  for (size_t i = 0; i < hn::MaxLanes(d); ++i) {
    if (i < count) to[i] = from[i];
  }
}

// The first `count` lanes from memory, zeros above.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_first(D d, const T* from, size_t count) {
  if constexpr (kHasMaskedMoves) {
    return hn::MaskedLoad(hn::FirstN(d, count), d, from);
  } else {
    HWY_ALIGN T lanes[hn::MaxLanes(d)] = {};
    copy_lanes(d, from, count, lanes);
    return hn::Load(d, lanes);
  }
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void store_first(hn::Vec<D> v, D d, size_t count, T* to) {
  if constexpr (kHasMaskedMoves) {
    hn::BlendedStore(v, hn::FirstN(d, count), d, to);
  } else {
    HWY_ALIGN T lanes[hn::MaxLanes(d)];
    hn::Store(v, d, lanes);
    copy_lanes(d, lanes, count, to);
  }
}

// Calls fn(i, lanes) for vectors of consecutive elements: `lanes` are all of them until the tail.
template <class T, class F>
HWY_INLINE void for_each_vector(size_t count, F&& fn) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) fn(i, lanes);
  if (i < count) fn(i, count - i);
}

// Full vectors by plain loads and stores, the tail masked.
template <class T>
HWY_INLINE Vec<T> load_lanes(const T* from, size_t lanes) {
  const hn::ScalableTag<T> d;
  return lanes == hn::Lanes(d) ? hn::LoadU(d, from) : load_first(d, from, lanes);
}

template <class T>
HWY_INLINE void store_lanes(Vec<T> v, size_t lanes, T* to) {
  const hn::ScalableTag<T> d;
  if (lanes == hn::Lanes(d)) hn::StoreU(v, d, to);
  else store_first(v, d, lanes, to);
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TESSERA_CORE_CPU_MATH_INL_H_
