#include "core/cpu/loops.h"
#include "core/cpu/scalar_math.h"

namespace tessera::cpu {
namespace scalar {

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
void by_formula(const void* const* in, void* out, size_t count, const double* params) {
  const T* x = static_cast<const T*>(in[0]);
  T* y = static_cast<T*>(out);
  const scalar::ScalarMath<T> m;
  for (size_t i = 0; i < count; ++i) {
    if constexpr (requires { Formula::apply(m, x[i]); }) y[i] = Formula::apply(m, x[i]);
    else y[i] = Formula::apply(m, x[i], params);
  }
}

template <class T>
Loop floating(UnaryOp op) {
  Loop loop = nullptr;
  if (scalar::visit_library_unary(op,
                                  [&](auto formula) { loop = by_formula<T, decltype(formula)>; })) {
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
