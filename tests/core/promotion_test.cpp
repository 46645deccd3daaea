#include "core/promotion.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/error_of.h"

namespace tessera {
namespace {

TEST(PromoteTypes, TheWiderOfOneKindAndTheHigherKindWins) {
  EXPECT_EQ(promote_types(DType::boolean, DType::boolean), DType::boolean);
  EXPECT_EQ(promote_types(DType::boolean, DType::u8), DType::u8);
  EXPECT_EQ(promote_types(DType::u8, DType::i32), DType::i32);
  EXPECT_EQ(promote_types(DType::i64, DType::i32), DType::i64);
  EXPECT_EQ(promote_types(DType::i64, DType::f16), DType::f16);
  EXPECT_EQ(promote_types(DType::bf16, DType::i64), DType::bf16);
  EXPECT_EQ(promote_types(DType::bf16, DType::f32), DType::f32);
  EXPECT_EQ(promote_types(DType::f32, DType::f64), DType::f64);
}

TEST(PromoteTypes, TheTwo16BitFloatsGiveF32) {
  EXPECT_EQ(promote_types(DType::bf16, DType::f16), DType::f32);
  EXPECT_EQ(promote_types(DType::f16, DType::bf16), DType::f32);
  EXPECT_EQ(promote_types(DType::f16, DType::f16), DType::f16);
}

TEST(PromoteTypes, IsSymmetric) {
  for (int a = 0; a < 8; ++a) {
    for (int b = 0; b < 8; ++b) {
      EXPECT_EQ(promote_types(DType(a), DType(b)), promote_types(DType(b), DType(a)));
    }
  }
}

TEST(ResultType, ScalarsAndZeroDimArraysOnlyRaiseTheKind) {
  Array i32 = Array::zeros({2}, DType::i32);
  Array f16 = Array::zeros({2}, DType::f16);
  Array flags = Array::zeros({2}, DType::boolean);
  Array f64_scalar = Array::scalar(1, DType::f64);
  Array i64_scalar = Array::scalar(1, DType::i64);
  EXPECT_EQ(result_type(i32, Scalar(2)), DType::i32);
  EXPECT_EQ(result_type(i32, Scalar(2.5)), DType::f32);
  EXPECT_EQ(result_type(i32, Scalar(true)), DType::i32);
  EXPECT_EQ(result_type(flags, Scalar(2)), DType::i64);
  EXPECT_EQ(result_type(flags, Scalar(true)), DType::boolean);
  EXPECT_EQ(result_type(f16, Scalar(2.5)), DType::f16);
  EXPECT_EQ(result_type(f16, f64_scalar), DType::f16);
  EXPECT_EQ(result_type(i32, f64_scalar), DType::f64);
  EXPECT_EQ(result_type(i32, i64_scalar), DType::i32);
  EXPECT_EQ(result_type(flags, i64_scalar), DType::i64);
  EXPECT_EQ(result_type(f64_scalar, Scalar(1.0F)), DType::f64);
  EXPECT_EQ(result_type(i64_scalar, Scalar(1.0)), DType::f32);
  EXPECT_EQ(result_type(i32, f16), DType::f16);
}

TEST(ResultType, NoOperandIsAnError) {
  EXPECT_NE(test::error_of([] { result_type(); }).find("[result_type]"), std::string::npos);
}

TEST(CanCast, RefusesToLoseAKind) {
  EXPECT_TRUE(can_cast(DType::i64, DType::u8));
  EXPECT_TRUE(can_cast(DType::f64, DType::f16));
  EXPECT_TRUE(can_cast(DType::boolean, DType::f32));
  EXPECT_FALSE(can_cast(DType::f32, DType::i64));
  EXPECT_FALSE(can_cast(DType::u8, DType::boolean));
}

TEST(Scalar, KnowsItsKindAndConvertsAsAnElementWould) {
  EXPECT_EQ(Scalar(true).kind(), Scalar::Kind::boolean);
  EXPECT_EQ(Scalar(uint8_t{3}).kind(), Scalar::Kind::integer);
  EXPECT_EQ(Scalar(3.0F).kind(), Scalar::Kind::floating);
  EXPECT_EQ(Scalar(-2.75).to<int64_t>(), -2);
  EXPECT_EQ(Scalar(300).to<uint8_t>(), 44);
  EXPECT_EQ(Scalar(0.5).to<bool>(), true);
  EXPECT_EQ(Scalar(INT64_MAX).to<int64_t>(), INT64_MAX);
  EXPECT_EQ((-Scalar(4)).to<double>(), -4);
  EXPECT_EQ((-Scalar(0.5)).to<double>(), -0.5);
}

TEST(CheckHolds, KnowsTheEndsOfEveryIntegerDtype) {
  auto holds = [](DType dtype, const Scalar& x) {
    return test::error_of([&] { check_holds("op", dtype, x); }).empty();
  };
  EXPECT_TRUE(holds(DType::u8, 255) && holds(DType::u8, 0) && holds(DType::u8, 255.0));
  EXPECT_FALSE(holds(DType::u8, 256) || holds(DType::u8, -1) || holds(DType::u8, 0.5));
  EXPECT_TRUE(holds(DType::i32, INT32_MIN) && holds(DType::i32, 2147483647.0));
  EXPECT_FALSE(holds(DType::i32, int64_t{1} << 31) || holds(DType::i32, 2147483648.0));
  EXPECT_TRUE(holds(DType::i64, -0x1p63) && holds(DType::i64, INT64_MIN));
  EXPECT_FALSE(holds(DType::i64, 0x1p63) || holds(DType::i64, HUGE_VAL));
  EXPECT_FALSE(holds(DType::i64, std::nan("")));
  EXPECT_TRUE(holds(DType::boolean, 2) && holds(DType::f16, 1e300) && holds(DType::f32, 0.1));
}

}  // namespace
}  // namespace tessera
