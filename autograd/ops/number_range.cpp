#include "autograd/ops/number_range.h"

#include <cmath>
#include <limits>

namespace tessera {
namespace {

struct Range {
  double low, high;
};

// The bounds of an integer dtype; those of i64 as doubles are -2^63 and 2^63, the latter outside.
Range range_of(DType dtype) {
  switch (dtype) {
    case DType::i64: return {-0x1p63, 0x1p63};
    case DType::i32: return {-0x1p31, 0x1p31 - 1};
    case DType::u8: return {0, 255};
    case DType::f16: return {-65504, 65504};
    case DType::bf16: return {-0x1.fep127, 0x1.fep127};
    case DType::f32:
      return {std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()};
    default: return {std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max()};
  }
}

}  // namespace

void check_in_range(const char* op, const Scalar& number, DType dtype) {
  if (dtype == DType::boolean) return;
  auto value = number.to<double>();
  Range range = range_of(dtype);
  bool fits = value >= range.low && value <= range.high;
  if (is_floating(dtype)) {
    fits = fits || !std::isfinite(value);
  } else {
    double whole = std::trunc(value);
    fits = whole >= range.low && whole <= range.high;
    if (dtype == DType::i64 && number.is_floating()) fits = fits && whole < range.high;
  }
  TESSERA_CHECK(fits, "[{}] expected a number that {} holds, got {}", op, dtype, value);
}

}  // namespace tessera
