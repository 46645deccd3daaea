#include "core/dtype.h"

#include <array>

namespace tessera {
namespace {

struct Row {
  std::string_view name;
  size_t item_size;
  bool floating;
};

// In the order of the enumeration.
constexpr std::array<Row, 8> kRows{{{"f32", 4, true},
                                    {"f64", 8, true},
                                    {"bf16", 2, true},
                                    {"f16", 2, true},
                                    {"i64", 8, false},
                                    {"i32", 4, false},
                                    {"u8", 1, false},
                                    {"bool", 1, false}}};

const Row& row(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

// mantissa >> shift, rounded to nearest with ties to even.
uint32_t shift_round_even(uint32_t mantissa, int shift) {
  uint32_t half = uint32_t{1} << (shift - 1);
  uint32_t kept = mantissa >> shift;
  uint32_t rest = mantissa & ((half << 1) - 1);
  return kept + (rest > half || (rest == half && (kept & 1)) ? 1 : 0);
}

}  // namespace

BFloat16::BFloat16(float value) {
  uint32_t word = std::bit_cast<uint32_t>(value);
  if (value != value) {
    bits = static_cast<uint16_t>((word >> 16) | 0x0040);
    return;
  }
  bits = static_cast<uint16_t>((word + 0x7fff + ((word >> 16) & 1)) >> 16);
}

Float16::Float16(float value) {
  uint32_t word = std::bit_cast<uint32_t>(value);
  auto sign = static_cast<uint16_t>((word >> 16) & 0x8000);
  int exponent = static_cast<int>((word >> 23) & 0xff) - 127;
  uint32_t mantissa = word & 0x7fffff;
  uint32_t magnitude = 0;
  if (exponent == 128) {
    magnitude = mantissa ? 0x7e00 | (mantissa >> 13) : 0x7c00;
  } else if (exponent > 15) {
    magnitude = 0x7c00;
  } else if (exponent >= -14) {
    // A carry out of the mantissa moves into the exponent, up to infinity, as it should.
    magnitude = (static_cast<uint32_t>(exponent + 15) << 10) + shift_round_even(mantissa, 13);
  } else if (exponent >= -25) {
    magnitude = shift_round_even(mantissa | 0x800000, -exponent - 1);
  }
  bits = static_cast<uint16_t>(sign | magnitude);
}

Float16::operator float() const {
  uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  uint32_t exponent = (bits >> 10) & 0x1f;
  uint32_t mantissa = bits & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  float tiny = static_cast<float>(mantissa) * 0x1p-24F;
  return sign ? -tiny : tiny;
}

size_t item_size(DType dtype) { return row(dtype).item_size; }

std::string_view name(DType dtype) { return row(dtype).name; }

std::optional<DType> parse_dtype(std::string_view text) {
  for (size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == text) return static_cast<DType>(i);
  }
  return std::nullopt;
}

bool is_floating(DType dtype) { return row(dtype).floating; }

}  // namespace tessera
