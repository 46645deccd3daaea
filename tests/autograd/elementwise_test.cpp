// What the table of op cases does not reach of elementwise functions: bounds, NaNs and infinities,
// numbers that a dtype does not hold, mixed dtypes, gradients at kinks.
#include "autograd/ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::floats;
using test::grad_of;
using test::kFloating;
using test::of;
using test::Values;

constexpr double kInf = HUGE_VAL;
const double kNan = std::nan("");

Values values(const Tensor& x) { return doubles(x.data()); }
testing::AssertionResult same(const Tensor& x, const Values& expected) {
  return close_to(values(x), expected, 0, 0);
}
Tensor leaf(DType dtype, const Values& values) { return Tensor(of(dtype, values).data(), true); }

TEST(Clamp, ANanBoundIsTheResult) {
  for (DType dtype : kFloating) {
    Tensor x = of(dtype, {1, 2, 3, kInf, kNan, 0, 1, 2, 3});
    Values nans(9, kNan);
    EXPECT_TRUE(same(clamp(x, kNan, {}), nans));
    EXPECT_TRUE(same(clamp(x, {}, kNan), nans));
    EXPECT_TRUE(same(clamp(x, 0.0, kNan), nans));
    EXPECT_TRUE(same(hardtanh(x, kNan, 1), nans));
    EXPECT_TRUE(same(clamp(x, of(dtype, {kNan}), {}), nans));
    EXPECT_TRUE(same(clamp(x, of(dtype, {0}), of(dtype, {kNan})), nans));
    Tensor own(x.data().clone());
    EXPECT_TRUE(same(clamp_(own, {}, kNan), nans));
    own = Tensor(x.data().clone());
    EXPECT_TRUE(same(hardtanh_(own, -1, kNan), nans));
  }
  EXPECT_TRUE(same(clamp(floats({0, 1, 2, kNan}), 1.0, {}), {1, 1, 2, kNan}));
  Tensor x = floats({1, 2});
  EXPECT_EQ(grad_of(x, clamp(x, kNan, {})), (Values{0, 0}));
}

TEST(Clamp, BoundsBeyondAnIntegerDtypeBoundNothing) {
  Tensor bytes = of(DType::u8, {44, 200});
  EXPECT_EQ(values(clamp(bytes, {}, 256)), (Values{44, 200}));
  EXPECT_EQ(values(clamp(bytes, -1, {})), (Values{44, 200}));
  EXPECT_EQ(values(clamp(bytes, INT64_MIN, INT64_MAX)), (Values{44, 200}));
  EXPECT_EQ(values(clamp(bytes, 300, 100)), (Values{100, 100}));
  EXPECT_EQ(clamp(bytes, {}, 256).dtype(), DType::u8);
  Tensor words = of(DType::i32, {44, -200});
  EXPECT_EQ(values(clamp(words, {}, int64_t{1} << 40)), (Values{44, -200}));
  EXPECT_EQ(values(clamp(words, -(int64_t{1} << 40), 7)), (Values{7, -200}));
  clamp_(bytes, 50, 1000);
  EXPECT_EQ(values(bytes), (Values{50, 200}));
  EXPECT_EQ(error_of([&] { clamp(bytes, {}, -1); }),
            "[clamp] expected a number that u8 holds, got -1");
  EXPECT_EQ(error_of([&] { clamp(bytes, 256, {}); }),
            "[clamp] expected a number that u8 holds, got 256");
}

TEST(Clamp, GradientOnABoundIsThatOfPyTorch) {
  Tensor x = floats({0, 1, 2, 3, 4, kNan});
  EXPECT_EQ(grad_of(x, clamp(x, 1.0, 3.0)), (Values{0, 0, 1, 0, 0, 0}));
  Tensor far = floats({kInf, -kInf});
  EXPECT_EQ(grad_of(far, clamp(far, 1.0, {})), (Values{1, 0}));
  Tensor low = floats(Values(6, 1));
  Tensor high = floats(Values(6, 3));
  x = floats({0, 1, 2, 3, 4, kNan});
  EXPECT_EQ(grad_of(x, clamp(x, low, high)), (Values{0, 0.5, 1, 0.5, 0, 1}));
  EXPECT_EQ(doubles(low.grad().data()), (Values{1, 0.5, 0, 0, 0, 0}));
  EXPECT_EQ(doubles(high.grad().data()), (Values{0, 0, 0, 0.5, 1, 0}));
  x = floats({0, 1, 2});
  low = floats({1, 1, 1});
  EXPECT_EQ(grad_of(x, clamp(x, low, {})), (Values{0, 0.5, 1}));
  EXPECT_EQ(doubles(low.grad().data()), (Values{1, 0.5, 0}));
  // Both bounds in one place, and crossed.
  x = floats({0, 1, 2});
  EXPECT_EQ(grad_of(x, clamp(x, of(DType::f64, {1}), of(DType::f64, {1}))), (Values{0, 1, 0}));
  x = floats({0, 1, 2});
  high = floats({1, 1, 1});
  EXPECT_EQ(grad_of(x, clamp(x, of(DType::f64, {2}), high)), (Values{0, 0, 0}));
  EXPECT_EQ(doubles(high.grad().data()), (Values{1, 1, 1}));
}

TEST(Extremes, EqualElementsShareAndNansPass) {
  Values a{1, 2, 1, kNan, 1, kNan};
  Values b{1, 1, 2, 1, kNan, kNan};
  Tensor x = floats(a);
  Tensor y = floats(b);
  EXPECT_EQ(grad_of(x, fmax(x, y)), (Values{0.5, 1, 0, 0, 1, 1}));
  EXPECT_EQ(doubles(y.grad().data()), (Values{0.5, 0, 1, 1, 0, 0}));
  x = floats(a);
  y = floats(b);
  EXPECT_EQ(grad_of(x, fmin(x, y)), (Values{0.5, 0, 1, 0, 1, 1}));
  EXPECT_EQ(doubles(y.grad().data()), (Values{0.5, 1, 0, 1, 0, 0}));
}

TEST(Activation, GradientsAtKinksAndOfNans) {
  // By the kernel and by the recorded gradient.
  for (bool graph : {false, true}) {
    auto slope = [&](auto fn, const Values& at) {
      Tensor x = floats(at);
      return values(grad({sum(fn(x))}, {x}, {}, {.create_graph = graph})[0]);
    };
    EXPECT_EQ(slope([](const Tensor& x) { return relu(x); }, {-1, 0, 2, kNan}),
              (Values{0, 0, 1, 1}));
    EXPECT_EQ(slope([](const Tensor& x) { return hardswish(x); }, {-4, -3, 0, 3, 4, kNan}),
              (Values{0, 0, 0.5, 1, 1, 1}));
    EXPECT_EQ(slope([](const Tensor& x) { return elu(x); }, {0, 2, kNan}), (Values{1, 1, 1}));
    EXPECT_EQ(slope([](const Tensor& x) { return celu(x, 2); }, {0, 2, kNan}), (Values{1, 1, 1}));
    EXPECT_EQ(slope([](const Tensor& x) { return hardsigmoid(x); }, {-3, 3, kNan}),
              (Values{0, 0, 0}));
  }
}

TEST(Prelu, WhatIsAboveZeroIsNoPartOfTheSlopesGradient) {
  Tensor x = floats({kInf, -2, 3, -1});
  Tensor slope = floats({0.25});
  EXPECT_EQ(grad_of(x, prelu(x, slope)), (Values{1, 0.25, 1, 0.25}));
  EXPECT_EQ(doubles(slope.grad().data()), (Values{-3}));
  EXPECT_TRUE(same(prelu(x, slope), {kInf, -0.5, 3, -0.25}));
  // A second gradient, of the product below zero.
  Tensor y = prelu(x, slope);
  Tensor dx = grad({sum(y)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(values(grad({sum(dx)}, {slope})[0]), (Values{2}));
  for (DType dtype : kFloating) {
    Tensor narrow = leaf(dtype, {kInf, -2});
    Tensor w = leaf(dtype, {0.5});
    sum(prelu(narrow, w)).backward();
    EXPECT_EQ(doubles(w.grad().data()), (Values{-2})) << name(dtype);
    EXPECT_EQ(w.grad().dtype(), dtype);
  }
}

TEST(Pow, NoInfinityTimesZeroInAnyGradient) {
  // d^2/da^2 of a^b where b is 0, and where a is 0.
  Tensor a = floats({0, 0, 2, kInf});
  Tensor b = floats({0, 3, 0, 0});
  Tensor da = grad({sum(pow(a, b))}, {a}, {}, {.create_graph = true})[0];
  EXPECT_EQ(values(da), (Values{0, 0, 0, 0}));
  EXPECT_EQ(values(grad({sum(da)}, {a})[0]), (Values{0, 0, 0, 0}));
  Tensor db = grad({sum(pow(a, b))}, {b}, {}, {.create_graph = true})[0];
  EXPECT_TRUE(close_to(values(slice(db, 0, 0, 3)), {0, 0, std::log(2)}, 1e-15, 0));
  EXPECT_EQ(values(slice(grad({sum(slice(db, 0, 0, 3))}, {b})[0], 0, 0, 2)), (Values{0, 0}));
}

TEST(MixedDtypes, GradientsAreComputedInTheWiderOne) {
  // Squares of 200 do not fit u8.
  Tensor y = of(DType::u8, {20, 200});
  Tensor x = leaf(DType::f32, {1});
  sum(atan2(y, x)).backward();
  double expected = -20.0 / 401 - 200.0 / 40001;
  EXPECT_TRUE(close_to(doubles(x.grad().data()), {expected}, 0, 1e-6));
  // The logarithm of a 16-bit base, for an exponent of 32 bits.
  Tensor base = of(DType::f16, {4.55});
  Tensor exponent = leaf(DType::f32, {2});
  sum(pow(base, exponent)).backward();
  double b = values(base)[0];
  EXPECT_TRUE(close_to(doubles(exponent.grad().data()), {b * b * std::log(b)}, 0, 1e-6));
  Tensor u = of(DType::u8, {3});
  Tensor e = leaf(DType::f32, {2});
  sum(pow(u, e)).backward();
  EXPECT_TRUE(close_to(doubles(e.grad().data()), {9 * std::log(3)}, 0, 1e-6));
}

TEST(MixedDtypes, SixteenBitGradientsAreRoundedOnce) {
  // 300^2 is beyond f16, 1 / 600 is not.
  Tensor x = leaf(DType::f16, {300});
  Tensor y = leaf(DType::f16, {300});
  sum(atan2(y, x)).backward();
  double expected = values(Tensor(of(DType::f64, {1.0 / 600}).data().to(DType::f16)))[0];
  EXPECT_EQ(doubles(y.grad().data()), (Values{expected}));
  EXPECT_EQ(doubles(x.grad().data()), (Values{-expected}));
  // y^2 of a reciprocal near the end of the range.
  Tensor small = leaf(DType::f16, {0x1p-9});
  (reciprocal(small) * 0x1p-6).backward();
  EXPECT_EQ(doubles(small.grad().data()), (Values{-4096}));
}

TEST(Atan2, GradientOfTheSmallestAndTheLargest) {
  for (double size : {1e-30, 1e30}) {
    Tensor y = leaf(DType::f32, {size});
    Tensor x = leaf(DType::f32, {size});
    sum(atan2(y, x)).backward();
    EXPECT_TRUE(close_to(doubles(y.grad().data()), {0.5 / size}, 0, 1e-6));
    EXPECT_TRUE(close_to(doubles(x.grad().data()), {-0.5 / size}, 0, 1e-6));
  }
  Tensor y = floats({0});
  Tensor x = floats({0});
  EXPECT_EQ(grad_of(y, atan2(y, x)), (Values{0}));
}

TEST(Logaddexp, EqualInfinitiesShare) {
  Tensor a = floats({-kInf, 1, -kInf});
  Tensor b = floats({-kInf, 1, 2});
  EXPECT_EQ(grad_of(a, logaddexp(a, b)), (Values{0.5, 0.5, 0}));
  EXPECT_EQ(doubles(b.grad().data()), (Values{0.5, 0.5, 1}));
  // The second gradient is there where both are finite.
  Tensor da = grad({sum(logaddexp(a, b))}, {a}, {}, {.create_graph = true})[0];
  EXPECT_EQ(values(grad({sum(da)}, {a})[0]), (Values{0, 0.25, 0}));
  Tensor c = floats({-kInf, 3});
  EXPECT_EQ(grad_of(c, logaddexp2(c, of(DType::f64, {-kInf, 3}))), (Values{0.5, 0.5}));
}

TEST(Asin, GradientCloseToOne) {
  double x = 1 - 0x1p-24;
  double rest = (1 - x) * (1 + x);
  auto slope = [&](auto fn) {
    Tensor at = leaf(DType::f32, {x});
    sum(fn(at)).backward();
    return doubles(at.grad().data());
  };
  auto is = [&](auto fn, double expected) {
    EXPECT_TRUE(close_to(slope(fn), {expected}, 0, 1e-6));
  };
  is([](const Tensor& t) { return asin(t); }, 1 / std::sqrt(rest));
  is([](const Tensor& t) { return acos(t); }, -1 / std::sqrt(rest));
  is([](const Tensor& t) { return atanh(t); }, 1 / rest);
}

TEST(Together, OperandsArePromotedBeforeTheFirstProduct) {
  Tensor a = of(DType::f32, {0.1});
  Tensor b = of(DType::f32, {0.1});
  Tensor zero = of(DType::f64, {0});
  double exact = values(a)[0] * values(b)[0];
  EXPECT_EQ(values(addcmul(zero, a, b)), (Values{exact}));
  Tensor c = of(DType::f32, {0.3});
  EXPECT_EQ(values(addcdiv(zero, a, c)), (Values{values(a)[0] / values(c)[0]}));
  EXPECT_EQ(values(lerp(a, c, of(DType::f64, {0.25}))),
            (Values{values(a)[0] + 0.25 * (values(c)[0] - values(a)[0])}));
  // 16 bits: one rounding at the end. 1 + 2^-11 2^-11 is 1, and 300 300 - 90000 is 0.
  Tensor x = of(DType::f16, {300});
  EXPECT_EQ(values(addcmul(of(DType::f16, {60000}), x, x, -0.5)), (Values{15000}));
  EXPECT_EQ(values(addcmul(of(DType::i64, {1}), of(DType::i64, {2}), of(DType::i64, {3}), 2)),
            (Values{13}));
  EXPECT_EQ(error_of([&] { addcmul(zeros({2}), zeros({3}), zeros({3})); }),
            "[addcmul] shapes (2,) and (3,) do not broadcast");
  EXPECT_EQ(error_of([&] { lerp(zeros({2}), zeros({3}), 0.5); }),
            "[lerp] shapes (2,) and (3,) do not broadcast");
}

TEST(Lerp, InfiniteEndsAndDistances) {
  Tensor a = of(DType::f32, {-3e38, -kInf, 1, kInf, 2});
  Tensor b = of(DType::f32, {3e38, 0, kInf, kInf, 4});
  double large = values(a)[0];
  EXPECT_TRUE(close_to(values(lerp(a, b, 0.25)), {large / 2, -kInf, kInf, kInf, 2.5}, 0, 1e-6));
  EXPECT_TRUE(close_to(values(lerp(a, b, 0.75)), {-large / 2, -kInf, kInf, kInf, 3.5}, 0, 1e-6));
  EXPECT_EQ(values(lerp(a, b, 0.0)), values(a));
  EXPECT_EQ(values(lerp(a, b, 1.0)), values(b));
  Tensor w = of(DType::f32, {0.25, 0.4, 0, 1, 1});
  EXPECT_TRUE(close_to(values(lerp(a, b, w)), {large / 2, -kInf, 1, kInf, 4}, 0, 1e-6));
  Tensor x = floats({-kInf, 1});
  Tensor y = floats({2, kInf});
  EXPECT_EQ(grad_of(x, lerp(x, y, 0.25)), (Values{0.75, 0.75}));
  EXPECT_EQ(doubles(y.grad().data()), (Values{0.25, 0.25}));
}

TEST(Compare, NumbersBeyondAnIntegerDtypeAreNotEqual) {
  Tensor bytes = of(DType::u8, {44, 200});
  EXPECT_EQ(values(bytes == 300), (Values{0, 0}));
  EXPECT_EQ(values(bytes < 300), (Values{1, 1}));
  EXPECT_EQ(values(bytes > -1), (Values{1, 1}));
  EXPECT_EQ(values(bytes != 256 + 44), (Values{1, 1}));
  EXPECT_EQ(values(of(DType::i32, {0}) >= (int64_t{1} << 32)), (Values{0}));
  EXPECT_EQ(values(bytes == Tensor(Array::full({}, 300, DType::i64))), (Values{0, 0}));
  // Division by a number that wraps around would be another one.
  EXPECT_EQ(values(floor_divide(bytes, 300)), (Values{0, 0}));
  EXPECT_EQ(values(remainder(bytes, 300)), (Values{44, 200}));
}

TEST(Isclose, IntegersAreNotRounded) {
  auto number = [](int64_t x) { return Tensor(Array::from<int64_t>({x}, {1})); };
  Tensor largest = number(INT64_MAX);
  Tensor smallest = number(INT64_MIN);
  EXPECT_EQ(values(isclose(largest, number(INT64_MAX - 1), 0, 0)), (Values{0}));
  EXPECT_EQ(values(isclose(largest, number(INT64_MAX - 1), 0, 1)), (Values{1}));
  EXPECT_EQ(values(isclose(largest, smallest, 0, 1e10)), (Values{0}));
  EXPECT_EQ(values(isclose(largest, smallest, 0, 0x1p65)), (Values{1}));
  EXPECT_EQ(values(isclose(largest, smallest, 2, 0)), (Values{1}));
  EXPECT_EQ(values(isclose(number((int64_t{1} << 53) + 1), number(0), 0, 0x1p53)), (Values{0}));
  EXPECT_EQ(values(isclose(of(DType::u8, {1, 200}), of(DType::u8, {3, 3}), 0, 2)), (Values{1, 0}));
  EXPECT_EQ(values(isclose(number(5), number(5), 0, 0)), (Values{1}));
  EXPECT_EQ(error_of([] { isclose(zeros({2}), zeros({3})); }),
            "[isclose] shapes (2,) and (3,) do not broadcast");
}

TEST(Fill, NumbersMustFitAnIntegerDtype) {
  Tensor bytes = of(DType::u8, {1, 2});
  Tensor mask(Array::from<double>({1, 0}, {2}).to(DType::boolean));
  const char* message = "expected a number that u8 holds, got 300";
  auto refuses = [&](const char* op, auto fn) {
    EXPECT_EQ(error_of(fn), fmt::format("[{}] {}", op, message));
  };
  refuses("full", [] { full({2}, 300, DType::u8); });
  refuses("fill_", [&] { fill_(bytes, 300); });
  refuses("masked_fill", [&] { masked_fill(bytes, mask, 300); });
  refuses("masked_fill_", [&] { masked_fill_(bytes, mask, 300); });
  refuses("where", [&] { where(mask, bytes, 300); });
  refuses("where", [&] { where(mask, 300, bytes); });
  refuses("pad", [&] { pad(bytes, {1, 1}, PadMode::constant, 300); });
  refuses("scatter", [&] { scatter(bytes, 0, Array::from<int64_t>({0}, {1}), 300); });
  refuses("assign", [&] { assign(bytes, {0}, 300); });
  Tensor whole = of(DType::i64, {1, 2});
  EXPECT_EQ(error_of([&] { fill_(whole, 3.14); }),
            "[fill_] expected a number that i64 holds, got 3.14");
  EXPECT_EQ(error_of([&] { fill_(whole, kNan); }),
            "[fill_] expected a number that i64 holds, got nan");
  EXPECT_EQ(error_of([&] { fill_(whole, 0x1p63); }),
            "[fill_] expected a number that i64 holds, got 9.223372036854776e+18");
  EXPECT_EQ(values(fill_(whole, 3.0)), (Values{3, 3}));
  EXPECT_EQ(values(fill_(mask, 0.5)), (Values{1, 1}));
}

TEST(Fill, IntegersAreNotRounded) {
  constexpr int64_t kOdd = (int64_t{1} << 53) + 1;
  Tensor x = Array::zeros({2}, DType::i64);
  Array at = Array::from<int64_t>({1}, {1});
  auto last = [](const Tensor& y) { return y.data().to_vector<int64_t>().back(); };
  EXPECT_EQ(last(scatter(x, 0, at, kOdd)), kOdd);
  EXPECT_EQ(last(pad(x, {0, 1}, PadMode::constant, kOdd)), kOdd);
  EXPECT_EQ(last(full({2}, kOdd)), kOdd);
  assign(x, {1}, kOdd);
  EXPECT_EQ(last(x), kOdd);
  fill_(x, kOdd - 2);
  EXPECT_EQ(last(x), kOdd - 2);
}

}  // namespace
}  // namespace tessera
