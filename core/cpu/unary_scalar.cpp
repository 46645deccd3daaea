#include <numbers>

#include "core/cpu/loops.h"
#include "core/cpu/scalar_math.h"

namespace tessera::cpu {
namespace scalar {

double erfinv(double x) {
  double size = std::abs(x);
  if (!(size <= 1)) return std::numeric_limits<double>::quiet_NaN();
  if (size == 1) return std::copysign(HUGE_VAL, x);
  if (size < 1e-9) return x * (std::sqrt(std::numbers::pi) / 2);
  double w = -std::log((1 - size) * (1 + size));
  constexpr double kNear[] = {2.81022636e-08,  3.43273939e-07, -3.5233877e-06,
                              -4.39150654e-06, 0.00021858087,  -0.00125372503,
                              -0.00417768164,  0.246640727,    1.50140941};
  constexpr double kFar[] = {-0.000200214257, 0.000100950558, 0.00134934322,
                             -0.00367342844,  0.00573950773,  -0.0076224613,
                             0.00943887047,   1.00167406,     2.83297682};
  bool near = w < 5;
  double u = near ? w - 2.5 : std::sqrt(w) - 3;
  double y = 0;
  for (double c : near ? kNear : kFar) y = y * u + c;
  y *= size;
  // The complement keeps its digits where erf is close to 1.
  for (int step = 0; step < 3; ++step) {
    double slope = 2 * std::numbers::inv_sqrtpi * std::exp(-y * y);
    double excess = size < 0.5 ? std::erf(y) - size : (1 - size) - std::erfc(y);
    y -= excess / slope;
  }
  return std::copysign(y, x);
}

double digamma(double x) {
  if (x == 0) return std::copysign(HUGE_VAL, -x);
  if (x < 0) {
    if (x == std::floor(x)) return std::numeric_limits<double>::quiet_NaN();
    return digamma(1 - x) - std::numbers::pi / std::tan(std::numbers::pi * (x - std::floor(x)));
  }
  double below = 0;
  for (; x < 10; ++x) below -= 1 / x;
  if (std::isinf(x)) return x;
  double u = 1 / (x * x);
  double series =
      u * (1.0 / 12 -
           u * (1.0 / 120 - u * (1.0 / 252 - u * (1.0 / 240 - u * (1.0 / 132 - u * 691 / 32760)))));
  return below + std::log(x) - 0.5 / x - series;
}

double trigamma(double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return HUGE_VAL;
    double s = std::sin(std::numbers::pi * (x - std::floor(x)));
    return std::numbers::pi * std::numbers::pi / (s * s) - trigamma(1 - x);
  }
  double below = 0;
  for (; x < 10; ++x) below += 1 / (x * x);
  double u = 1 / (x * x);
  double series = u * (1.0 / 6 - u * (1.0 / 30 - u * (1.0 / 42 - u * (1.0 / 30 - u * (5.0 / 66)))));
  return below + (1 + 0.5 / x + series) / x;
}

double lgamma(double x) {
  int sign = 0;
  return lgamma_r(x, &sign);
}

}  // namespace scalar

namespace {

// out[i] = Fn(x[i])
template <class T, class Out, auto Fn>
void each(const void* const* in, void* out, size_t count, const double*) {
  const T* x = static_cast<const T*>(in[0]);
  Out* y = static_cast<Out*>(out);
  for (size_t i = 0; i < count; ++i) y[i] = static_cast<Out>(Fn(x[i]));
}

template <class T, class Formula>
T by_formula(T x) {
  return Formula::apply(scalar::ScalarMath<T>(), x);
}

template <class T>
Loop floating(UnaryOp op) {
  Loop loop = nullptr;
  if (scalar::visit_library_unary(
          op, [&](auto formula) { loop = each<T, T, by_formula<T, decltype(formula)>>; })) {
    return loop;
  }
  switch (op) {
    case UnaryOp::isnan: return each<T, bool, [](T x) { return x != x; }>;
    case UnaryOp::isinf: return each<T, bool, [](T x) { return std::isinf(x); }>;
    case UnaryOp::isfinite: return each<T, bool, [](T x) { return std::isfinite(x); }>;
    case UnaryOp::logical_not: return each<T, bool, [](T x) { return x == 0; }>;
    default: return nullptr;
  }
}

// Unsigned arithmetic wraps around where signed arithmetic is undefined.
using Int = int64_t;
Int negated(Int x) { return static_cast<Int>(0 - static_cast<uint64_t>(x)); }
Int squared(Int x) { return static_cast<Int>(static_cast<uint64_t>(x) * static_cast<uint64_t>(x)); }

Loop integer(UnaryOp op) {
  switch (op) {
    case UnaryOp::neg: return each<Int, Int, negated>;
    case UnaryOp::abs: return each<Int, Int, [](Int x) { return x < 0 ? negated(x) : x; }>;
    case UnaryOp::sign: return each<Int, Int, [](Int x) { return Int((x > 0)) - Int((x < 0)); }>;
    case UnaryOp::square: return each<Int, Int, squared>;
    case UnaryOp::relu: return each<Int, Int, [](Int x) { return x < 0 ? Int(0) : x; }>;
    case UnaryOp::relu6:
      return each<Int, Int, [](Int x) { return x < 0 ? Int(0) : (x > 6 ? Int(6) : x); }>;
    case UnaryOp::bitwise_not: return each<Int, Int, [](Int x) { return ~x; }>;
    case UnaryOp::floor:
    case UnaryOp::ceil:
    case UnaryOp::round:
    case UnaryOp::trunc:
    case UnaryOp::nan_to_num: return each<Int, Int, [](Int x) { return x; }>;
    case UnaryOp::isnan:
    case UnaryOp::isinf: return each<Int, bool, [](Int) { return false; }>;
    case UnaryOp::isfinite: return each<Int, bool, [](Int) { return true; }>;
    case UnaryOp::logical_not: return each<Int, bool, [](Int x) { return x == 0; }>;
    default: return nullptr;
  }
}

}  // namespace

Loop scalar_loop(UnaryOp op, DType compute) {
  if (compute == DType::f32) return floating<float>(op);
  return compute == DType::f64 ? floating<double>(op) : integer(op);
}

}  // namespace tessera::cpu
