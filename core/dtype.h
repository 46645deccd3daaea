// Element types, and the one place where a runtime dtype becomes a C++ type.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "core/error.h"

namespace tessera {

enum class DType : uint8_t { f32, f64, bf16, f16, i64, i32, u8, boolean };

// The upper half of an IEEE 754 binary32. Conversion from float rounds to nearest, ties to even;
// a NaN stays a (quiet) NaN.
struct BFloat16 {
  BFloat16() = default;
  explicit BFloat16(float value);
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
  uint16_t bits;
};

// IEEE 754 binary16. Conversion from float rounds to nearest, ties to even, and overflows to
// infinity.
struct Float16 {
  Float16() = default;
  explicit Float16(float value);
  explicit operator float() const;
  uint16_t bits;
};

// Bytes of one element.
size_t item_size(DType dtype);
// "f32", "bf16", "bool", ...
std::string_view name(DType dtype);
// The dtype of that name, if there is one.
std::optional<DType> parse_dtype(std::string_view text);
bool is_floating(DType dtype);

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  else if constexpr (std::is_same_v<T, double>) return DType::f64;
  else if constexpr (std::is_same_v<T, BFloat16>) return DType::bf16;
  else if constexpr (std::is_same_v<T, Float16>) return DType::f16;
  else if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  else if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  else if constexpr (std::is_same_v<T, uint8_t>) return DType::u8;
  else {
    static_assert(std::is_same_v<T, bool>, "not an element type");
    return DType::boolean;
  }
}

template <class T>
struct TypeTag {
  using type = T;
};

// Calls fn(TypeTag<T>{}) with the C++ type of dtype.
template <class F>
decltype(auto) visit_dtype(DType dtype, F&& fn) {
  switch (dtype) {
    case DType::f32: return fn(TypeTag<float>{});
    case DType::f64: return fn(TypeTag<double>{});
    case DType::bf16: return fn(TypeTag<BFloat16>{});
    case DType::f16: return fn(TypeTag<Float16>{});
    case DType::i64: return fn(TypeTag<int64_t>{});
    case DType::i32: return fn(TypeTag<int32_t>{});
    case DType::u8: return fn(TypeTag<uint8_t>{});
    case DType::boolean: break;
  }
  return fn(TypeTag<bool>{});
}

// Calls fn(TypeTag<float>{}) or fn(TypeTag<double>{}); any other dtype is an error naming op.
template <class F>
decltype(auto) visit_f32_f64(DType dtype, std::string_view op, F&& fn) {
  TESSERA_CHECK(dtype == DType::f32 || dtype == DType::f64, "[{}] expected f32 or f64, got {}", op,
                name(dtype));
  if (dtype == DType::f32) return fn(TypeTag<float>{});
  return fn(TypeTag<double>{});
}

// value as a To, through float for the 16-bit types.
template <class To, class From>
To convert(From value) {
  constexpr bool from_half = std::is_same_v<From, BFloat16> || std::is_same_v<From, Float16>;
  constexpr bool to_half = std::is_same_v<To, BFloat16> || std::is_same_v<To, Float16>;
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (from_half) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (to_half) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Out-of-range float to int is undefined in C++; a NaN or an overflow gives the smallest
    // int64, as the processor's own conversion does, and narrower types take its low bits.
    constexpr double kLimit = 9223372036854775808.0;
    double wide = static_cast<double>(value);
    int64_t whole = wide >= -kLimit && wide < kLimit ? static_cast<int64_t>(wide) : INT64_MIN;
    return static_cast<To>(whole);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace tessera

template <>
struct fmt::formatter<tessera::DType> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(tessera::DType dtype, Context& context) const {
    return fmt::formatter<std::string_view>::format(tessera::name(dtype), context);
  }
};
