#include "core/dtype.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::error_of;

constexpr DType kAll[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                          DType::i64, DType::i32, DType::u8,   DType::boolean};

template <class Half>
Half from_bits(uint32_t bits) {
  Half half;
  half.bits = static_cast<uint16_t>(bits);
  return half;
}

// The value of a pattern with `exponent_bits` bits of exponent, by the definition of IEEE 754.
double decode(uint32_t bits, int exponent_bits) {
  int mantissa_bits = 15 - exponent_bits;
  int bias = (1 << (exponent_bits - 1)) - 1;
  int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  double mantissa = bits & ((1U << mantissa_bits) - 1);
  double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(1 + std::ldexp(mantissa, -mantissa_bits), exponent - bias);
}

template <class Half, int kExponentBits>
struct Format {
  using Type = Half;
  static constexpr int exponent_bits = kExponentBits;
  static constexpr uint32_t infinity = ((1U << kExponentBits) - 1) << (15 - kExponentBits);
};

template <class F>
class HalfTest : public testing::Test {};
using Formats = testing::Types<Format<BFloat16, 8>, Format<Float16, 5>>;
TYPED_TEST_SUITE(HalfTest, Formats);

TYPED_TEST(HalfTest, EveryPatternHasItsValueAndComesBack) {
  using Half = typename TypeParam::Type;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto value = static_cast<float>(from_bits<Half>(bits));
    double expected = decode(bits, TypeParam::exponent_bits);
    uint16_t back = Half(value).bits;
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(static_cast<float>(from_bits<Half>(back)))) << bits;
      ASSERT_EQ(back & 0x8000U, bits & 0x8000U) << bits;
      continue;
    }
    ASSERT_EQ(value, expected) << bits;
    ASSERT_EQ(back, bits);
  }
}

TYPED_TEST(HalfTest, RoundsToNearestAndTiesToEven) {
  using Half = typename TypeParam::Type;
  // Between each pair of neighbours: just below the middle, the middle, just above it.
  for (uint32_t bits = 0; bits + 1 < TypeParam::infinity; ++bits) {
    double low = decode(bits, TypeParam::exponent_bits);
    double high = decode(bits + 1, TypeParam::exponent_bits);
    auto middle = static_cast<float>((low + high) / 2);
    if (static_cast<double>(middle) != (low + high) / 2) continue;  // below the smallest float
    auto even = static_cast<uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(Half(middle).bits, even) << bits;
    ASSERT_EQ(Half(-middle).bits, even | 0x8000U) << bits;
    ASSERT_EQ(Half(std::nextafter(middle, 0.0F)).bits, bits);
    ASSERT_EQ(Half(std::nextafter(middle, INFINITY)).bits, bits + 1);
  }
}

TYPED_TEST(HalfTest, OverflowsToInfinityFromHalfAStepAboveTheLargest) {
  using Half = typename TypeParam::Type;
  double largest = decode(TypeParam::infinity - 1, TypeParam::exponent_bits);
  double step = largest - decode(TypeParam::infinity - 2, TypeParam::exponent_bits);
  auto edge = static_cast<float>(largest + step / 2);
  EXPECT_EQ(Half(edge).bits, TypeParam::infinity);
  EXPECT_EQ(Half(std::nextafter(edge, 0.0F)).bits, TypeParam::infinity - 1);
  EXPECT_EQ(Half(std::numeric_limits<float>::max()).bits, TypeParam::infinity);
  EXPECT_EQ(Half(INFINITY).bits, TypeParam::infinity);
  EXPECT_EQ(Half(-INFINITY).bits, TypeParam::infinity | 0x8000U);
}

TYPED_TEST(HalfTest, KeepsNanEvenWhenItsPayloadIsInTheLowBits) {
  using Half = typename TypeParam::Type;
  for (uint32_t word : {0x7f800001U, 0xff800001U, 0x7fffffffU, 0x7fc00000U, 0xffc12345U}) {
    Half half(std::bit_cast<float>(word));
    EXPECT_TRUE(std::isnan(static_cast<float>(half))) << word;
    EXPECT_EQ(half.bits >> 15, word >> 31) << word;
  }
}

TYPED_TEST(HalfTest, RoundsTheSmallestFloatsToZeroWithTheirSign) {
  using Half = typename TypeParam::Type;
  EXPECT_EQ(Half(0.0F).bits, 0);
  EXPECT_EQ(Half(-0.0F).bits, 0x8000);
  EXPECT_EQ(Half(0x1p-149F).bits, 0);
  EXPECT_EQ(Half(-0x1p-149F).bits, 0x8000);
}

TEST(DType, KnowsItsNameAndSize) {
  const size_t sizes[] = {4, 8, 2, 2, 8, 4, 1, 1};
  const char* names[] = {"f32", "f64", "bf16", "f16", "i64", "i32", "u8", "bool"};
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(item_size(kAll[i]), sizes[i]);
    EXPECT_EQ(name(kAll[i]), names[i]);
    EXPECT_EQ(parse_dtype(names[i]), kAll[i]);
    EXPECT_EQ(is_floating(kAll[i]), i < 4);
    EXPECT_EQ(fmt::format("{}", kAll[i]), names[i]);
    EXPECT_EQ(
        visit_dtype(kAll[i], [](auto tag) { return dtype_of<typename decltype(tag)::type>(); }),
        kAll[i]);
    EXPECT_EQ(visit_dtype(kAll[i], [](auto tag) { return sizeof(typename decltype(tag)::type); }),
              sizes[i]);
  }
  EXPECT_EQ(parse_dtype("float32"), std::nullopt);
  EXPECT_EQ(parse_dtype(""), std::nullopt);
}

TEST(DType, VisitF32F64RefusesOthersByName) {
  EXPECT_EQ(error_of([] { visit_f32_f64(DType::i32, "gelu", [](auto) {}); }),
            "[gelu] expected f32 or f64, got i32");
}

TEST(Convert, TruncatesFloatsTowardsZero) {
  EXPECT_EQ(convert<int32_t>(2.9F), 2);
  EXPECT_EQ(convert<int32_t>(-2.9F), -2);
  EXPECT_EQ(convert<int64_t>(-1e15), -1000000000000000);
  EXPECT_EQ(convert<uint8_t>(255.9), 255);
}

TEST(Convert, GivesOutOfRangeFloatsADefinedValue) {
  for (double value : {1e300, -1e300, 9223372036854775808.0, double{INFINITY}, double{NAN}}) {
    EXPECT_EQ(convert<int64_t>(value), std::numeric_limits<int64_t>::min()) << value;
    EXPECT_EQ(convert<int32_t>(value), 0) << value;
  }
  EXPECT_EQ(convert<int64_t>(-9223372036854775808.0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(convert<uint8_t>(-1.0F), 255);
  EXPECT_EQ(convert<int32_t>(4294967297.0), 1);
}

TEST(Convert, MakesBoolOfWhateverIsNotZero) {
  EXPECT_TRUE(convert<bool>(0.25F));
  EXPECT_TRUE(convert<bool>(double{NAN}));
  EXPECT_TRUE(convert<bool>(int64_t{256}));
  EXPECT_TRUE(convert<bool>(BFloat16(0.5F)));
  EXPECT_FALSE(convert<bool>(-0.0F));
  EXPECT_FALSE(convert<bool>(Float16(0.0F)));
  EXPECT_EQ(static_cast<float>(convert<Float16>(true)), 1.0F);
}

TEST(Convert, GoesBetweenHalvesThroughFloat) {
  EXPECT_EQ(convert<BFloat16>(Float16(1.5F)).bits, BFloat16(1.5F).bits);
  EXPECT_EQ(convert<Float16>(BFloat16(1e30F)).bits, 0x7c00);
  EXPECT_EQ(convert<int32_t>(BFloat16(-3.5F)), -3);
  EXPECT_EQ(convert<double>(Float16(0x1p-24F)), 0x1p-24);
}

}  // namespace
}  // namespace tessera
