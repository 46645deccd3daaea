#include "autograd/ops/number_range.h"

#include <cmath>
#include <limits>

#include "core/promotion.h"

namespace tessera {
namespace {

double largest_finite(DType dtype) {
  if (dtype == DType::f64) return std::numeric_limits<double>::max();
  if (dtype == DType::f16) return 65504;
  return dtype == DType::bf16 ? 0x1.fep127 : std::numeric_limits<float>::max();
}

}  // namespace

void check_in_range(const char* op, const Scalar& number, DType dtype) {
  auto value = number.to<double>();
  if (!is_floating(dtype)) {
    return check_holds(op, dtype, number.is_floating() ? Scalar(std::trunc(value)) : number);
  }
  TESSERA_CHECK(!std::isfinite(value) || std::abs(value) <= largest_finite(dtype),
                "[{}] expected a number that {} holds, got {}", op, dtype, value);
}

}  // namespace tessera
