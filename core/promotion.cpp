#include "core/promotion.h"

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

DType ResultType::get() const {
  std::optional<DType> type = combine(with_dims_, combine(zero_dim_, scalars_));
  TESSERA_CHECK(type.has_value(), "[result_type] expected at least one operand, got none");
  return *type;
}

}  // namespace tessera
