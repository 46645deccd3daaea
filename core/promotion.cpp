#include "core/promotion.h"

#include <cmath>

namespace tessera {
namespace {

// Larger holds smaller, except between bf16 and f16.
int rank(DType dtype) {
  switch (dtype) {
    case DType::boolean: return 0;
    case DType::u8: return 1;
    case DType::i32: return 2;
    case DType::i64: return 3;
    case DType::bf16: return 4;
    case DType::f16: return 5;
    case DType::f32: return 6;
    case DType::f64: break;
  }
  return 7;
}

// bool, integer, floating.
int kind(DType dtype) {
  if (dtype == DType::boolean) return 0;
  return is_floating(dtype) ? 2 : 1;
}

std::optional<DType> combine(std::optional<DType> strong, std::optional<DType> weak) {
  if (!strong) return weak;
  if (!weak || kind(*strong) >= kind(*weak)) return strong;
  return promote_types(*strong, *weak);
}

}  // namespace

DType promote_types(DType a, DType b) {
  bool mixed_halves =
      (a == DType::bf16 && b == DType::f16) || (a == DType::f16 && b == DType::bf16);
  if (mixed_halves) return DType::f32;
  return rank(a) >= rank(b) ? a : b;
}

bool can_cast(DType from, DType to) { return kind(from) <= kind(to); }

std::pair<int64_t, int64_t> integer_range(DType dtype) {
  TESSERA_ASSERT(!is_floating(dtype));
  if (dtype == DType::i64) return {INT64_MIN, INT64_MAX};
  if (dtype == DType::i32) return {INT32_MIN, INT32_MAX};
  return {0, dtype == DType::u8 ? UINT8_MAX : 1};
}

void check_holds(std::string_view op, DType dtype, const Scalar& number) {
  if (is_floating(dtype) || dtype == DType::boolean) return;
  auto [lowest, largest] = integer_range(dtype);
  if (number.is_floating()) {
    auto x = number.to<double>();
    // Both ends of i64 as doubles: -2^63, and 2^63, which is the first one beyond.
    bool inside = dtype == DType::i64
                      ? x >= -0x1p63 && x < 0x1p63
                      : x >= static_cast<double>(lowest) && x <= static_cast<double>(largest);
    TESSERA_CHECK(inside && std::trunc(x) == x, "[{}] expected a number that {} holds, got {}", op,
                  dtype, x);
    return;
  }
  auto x = number.to<int64_t>();
  TESSERA_CHECK(x >= lowest && x <= largest, "[{}] expected a number that {} holds, got {}", op,
                dtype, x);
}

DType ResultType::get() const {
  std::optional<DType> type = combine(with_dims_, combine(zero_dim_, scalars_));
  TESSERA_CHECK(type.has_value(), "[result_type] expected at least one operand, got none");
  return *type;
}

}  // namespace tessera
