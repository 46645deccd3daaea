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

template <class Formula, class T>
auto value_of_one(T x, [[maybe_unused]] const double* params) {
  const scalar::ScalarMath<T> m;
  if constexpr (std::is_integral_v<T>) return Formula::integer(x);
  else if constexpr (requires { Formula::apply(m, x); }) return Formula::apply(m, x);
  else return Formula::apply(m, x, params);
}

template <class Row, class T>
void loop_of_one(const void* const* in, void* out, size_t count, const double* params) {
  const T* x = static_cast<const T*>(in[0]);
  using Formula = typename Row::Formula;
  using Out = decltype(value_of_one<Formula>(T(), params));
  static_assert(std::is_same_v<Out, bool> == (Row::kKind == FormulaKind::into_bool));
  Out* y = static_cast<Out*>(out);
  for (size_t i = 0; i < count; ++i) y[i] = value_of_one<Formula>(x[i], params);
}

template <class T>
Loop find_unary_loop(UnaryOp op) {
  return scalar::visit_formula<Loop>(op, [](auto row) -> Loop {
    using Row = decltype(row);
    using Formula = typename Row::Formula;
    constexpr bool kDefined = std::is_integral_v<T>
                                  ? scalar::kTakesIntegers<Formula, T>
                                  : Row::kKind != FormulaKind::vector &&
                                        scalar::kTakesFloats<Formula, scalar::ScalarMath<T>, T>;
    if constexpr (kDefined) return loop_of_one<Row, T>;
    else return nullptr;
  });
}

}  // namespace

Loop scalar_loop(UnaryOp op, DType compute) {
  if (compute == DType::f32) return find_unary_loop<float>(op);
  return compute == DType::f64 ? find_unary_loop<double>(op) : find_unary_loop<int64_t>(op);
}

}  // namespace tessera::cpu
