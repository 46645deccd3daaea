#include "core/cpu/loops.h"
#include "core/cpu/scalar_math.h"

namespace tessera::cpu {
namespace {

template <class Formula, class T>
auto value_of_two(T a, T b) {
  if constexpr (!std::is_integral_v<T>) return Formula::apply(scalar::ScalarMath<T>(), a, b);
  else return Formula::integer(a, b);
}

template <class Row, class T>
void loop_of_two(const void* const* in, void* out, size_t count, const double*) {
  const T* a = static_cast<const T*>(in[0]);
  const T* b = static_cast<const T*>(in[1]);
  using Formula = typename Row::Formula;
  using Out = decltype(value_of_two<Formula>(T(), T()));
  static_assert(std::is_same_v<Out, bool> == (Row::kKind == FormulaKind::into_bool));
  Out* y = static_cast<Out*>(out);
  for (size_t i = 0; i < count; ++i) {
    if constexpr (std::is_integral_v<T> && scalar::kRefusesIntegers<Formula>) {
      if (Formula::refuses(a[i], b[i])) throw_error(Formula::refusal(b[i]));
    }
    y[i] = value_of_two<Formula>(a[i], b[i]);
  }
}

template <class T>
Loop find_binary_loop(BinaryOp op) {
  return scalar::visit_formula<Loop>(op, [](auto row) -> Loop {
    using Row = decltype(row);
    using Formula = typename Row::Formula;
    constexpr bool kDefined = std::is_integral_v<T>
                                  ? scalar::kTakesIntegers<Formula, T, T>
                                  : Row::kKind != FormulaKind::vector &&
                                        scalar::kTakesFloats<Formula, scalar::ScalarMath<T>, T, T>;
    if constexpr (kDefined) return loop_of_two<Row, T>;
    else return nullptr;
  });
}

}  // namespace

Loop scalar_loop(BinaryOp op, DType compute) {
  if (compute == DType::f32) return find_binary_loop<float>(op);
  return compute == DType::f64 ? find_binary_loop<double>(op) : find_binary_loop<int64_t>(op);
}

}  // namespace tessera::cpu
