// Special functions and shrinking activations: corners, errors and forms in place.
#include "autograd/ops/special.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::floats;
using test::grad_of;
using test::of;
using test::Values;

constexpr double kInf = HUGE_VAL;

Values values(const Tensor& x) { return doubles(x.data()); }

TEST(Special, XlogyIsZeroWhereXIs) {
  Tensor x = floats({0, 0, 0, 0, 1, -2});
  Tensor y = floats({0, kInf, -1, 3, 0, 1});
  EXPECT_EQ(values(xlogy(x, y)), (Values{0, 0, 0, 0, -kInf, 0}));
  EXPECT_TRUE(std::isnan(xlogy(floats({0}), floats({NAN})).item<double>()));
  EXPECT_EQ(grad_of(x, xlogy(x, y))[0], 0);
  EXPECT_EQ(xlogy(of(DType::i64, {2}), 1).dtype(), DType::f32);
  EXPECT_EQ(xlogy(Tensor(Array::scalar(2, DType::f16)), 3).dtype(), DType::f16);
}

TEST(Special, HypotNeitherOverflowsNorVanishes) {
  for (DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    Values large = values(hypot(of(dtype, {3e30, 3e-30, 0}), of(dtype, {4e30, 4e-30, 0})));
    EXPECT_NEAR(large[0] / 5e30, 1, 0.01) << fmt::format("{}", dtype);
    EXPECT_NEAR(large[1] / 5e-30, 1, 0.01) << fmt::format("{}", dtype);
    EXPECT_EQ(large[2], 0);
  }
  EXPECT_EQ(hypot(floats({kInf}), floats({NAN})).item<double>(), kInf);
  Tensor x = floats({3e200, 0});
  EXPECT_TRUE(close_to(grad_of(x, hypot(x, of(DType::f64, {4e200, 2}))), {0.6, 0}, 1e-15, 0));
  Tensor zero = floats({0});
  EXPECT_TRUE(std::isnan(grad_of(zero, hypot(zero, of(DType::f64, {0})))[0]));
  EXPECT_EQ(error_of([] { hypot(of(DType::i64, {1}), of(DType::u8, {1})); }),
            "[hypot] expected a floating dtype, got i64");
}

TEST(Special, SincKeepsItsDigitsAroundZero) {
  Tensor x = floats({0, -0.0, 1e-9, -0.04, 0.5});
  EXPECT_TRUE(close_to(values(sinc(x)), {1, 1, 1, 0.9973701827725034, 2 / M_PI}, 0, 1e-14));
  EXPECT_TRUE(std::isnan(sinc(floats({kInf})).item<double>()));
  // sinc'(x) = (cos(pi x) - sinc(x)) / x
  Values slopes{0, 0, -M_PI * M_PI / 3 * 1e-9, 0.13138703645063998, -4 / M_PI};
  EXPECT_TRUE(close_to(grad_of(x, sinc(x)), slopes, 0, 1e-11));
  EXPECT_EQ(sinc(of(DType::i64, {0})).dtype(), DType::f32);
}

TEST(Special, CopysignTakesTheSignOfZeroAndNan) {
  Tensor b = floats({-0.0, 0.0, std::copysign(NAN, -1.0), NAN, -kInf});
  EXPECT_EQ(values(copysign(floats({2, -2, 2, -2, 0}), b)), (Values{-2, 2, -2, 2, -0.0}));
  Tensor a = floats({2, -3, 0});
  EXPECT_EQ(grad_of(a, copysign(a, -1)), (Values{-1, 1, 0}));
  EXPECT_EQ(copysign(of(DType::boolean, {1}), -1).dtype(), DType::f32);
}

TEST(Special, LogitClampsWhereAsked) {
  EXPECT_EQ(values(logit(floats({0, 1, 0.5}))), (Values{-kInf, kInf, 0}));
  EXPECT_TRUE(std::isnan(logit(floats({1.5})).item<double>()));
  Tensor x = floats({-1, 0.5, 2});
  EXPECT_EQ(grad_of(x, logit(x, 0.25)), (Values{0, 4, 0}));
  Tensor outside = floats({-1, 0.5});
  EXPECT_TRUE(std::isnan(grad_of(outside, logit(outside))[0]));
}

TEST(Special, RoundKeepsWhatHasNoSuchDigits) {
  EXPECT_EQ(values(round(floats({0.125, -2.5, 1e300, kInf}), 2)),
            (Values{0.12, -2.5, 1e300, kInf}));
  EXPECT_EQ(values(round(of(DType::f32, {15, 25, -4}), -1)), (Values{20, 20, -0.0}));
  EXPECT_EQ(values(round(of(DType::f32, {1, 0}), 60)), (Values{1, 0}));
  EXPECT_EQ(values(round(of(DType::f32, {3e38, -1}), -60)), (Values{0, -0.0}));
  EXPECT_EQ(values(round(of(DType::i64, {3}), 0)), (Values{3}));
  EXPECT_EQ(error_of([] { round(of(DType::i64, {3}), 1); }),
            "[round] expected a floating dtype, got i64");
}

TEST(Special, PolygammaAgreesWithKnownValues) {
  // psi''(1) = -2 zeta(3), psi'''(1) = pi^4 / 15, psi(1/2)'' = -14 zeta(3)
  constexpr double kZeta3 = 1.2020569031595942854;
  EXPECT_TRUE(
      close_to(values(polygamma(2, floats({1, 0.5}))), {-2 * kZeta3, -14 * kZeta3}, 0, 1e-14));
  EXPECT_TRUE(close_to(values(polygamma(3, floats({1}))), {std::pow(M_PI, 4) / 15}, 0, 1e-14));
  // The recurrence psi_n(x + 1) = psi_n(x) + (-1)^n n! / x^(n + 1), for negative x as well.
  for (double x : {-7.25, -0.5, 0.1, 3.0, 40.0}) {
    for (int64_t n : {2, 3, 6}) {
      double step = (n % 2 ? -1 : 1) * std::tgamma(n + 1.0) / std::pow(x, n + 1.0);
      Values both = values(polygamma(n, floats({x + 1, x})));
      EXPECT_TRUE(close_to({both[0]}, {both[1] + step}, 1e-12 * std::abs(both[1]), 1e-12))
          << n << " at " << x;
    }
  }
  EXPECT_EQ(values(polygamma(2, floats({0, -3, kInf}))), (Values{-kInf, -kInf, 0}));
  EXPECT_EQ(values(polygamma(3, floats({0, -3, kInf}))), (Values{kInf, kInf, 0}));
  // 200! overflows, the value does not: 200! zeta(201, 50) is about 200! / 50^201 (1 + ...).
  double large = polygamma(200, floats({50})).item<double>();
  EXPECT_TRUE(std::isfinite(large) && large < 0);
  EXPECT_EQ(error_of([] { polygamma(-1, floats({1})); }),
            "[polygamma] expected an order of at least 0, got -1");
}

TEST(Special, FormsInPlaceAreRecorded) {
  Tensor x = floats({0.25, 0.75});
  Tensor y = x * 1;
  logit_(y);
  copysign_(y, 1);
  hypot_(y, of(DType::f64, {0, 0}));
  xlogy_(y, 1);
  EXPECT_EQ(values(y), (Values{0, 0}));
  Tensor z = x * 1;
  float_power_(z, 2);
  EXPECT_EQ(grad_of(x, z), (Values{0.5, 1.5}));
  Tensor narrow = zeros({2});
  EXPECT_EQ(error_of([&] { float_power_(narrow, 2); }),
            "[float_power_] expected a tensor of f64, got f32");
  Tensor integers(Array::zeros({2}, DType::i64));
  EXPECT_TRUE(contains(error_of([&] { logit_(integers); }), "[logit_] a result of f32"));
  round_(z, 1);
  polygamma_(z, 1);
  EXPECT_TRUE(z.requires_grad());
}

TEST(Shrink, KeepsNanAndRefusesWhatDoesNotFit) {
  Tensor x = of(DType::f32, {NAN, 0.5, -0.5, 0.75, kInf});
  EXPECT_TRUE(close_to(values(hardshrink(x)), {NAN, 0, 0, 0.75, kInf}, 0, 0));
  EXPECT_TRUE(close_to(values(softshrink(x)), {NAN, 0, 0, 0.25, kInf}, 0, 0));
  EXPECT_TRUE(close_to(values(threshold(x, 0.5, 9)), {NAN, 9, 9, 0.75, kInf}, 0, 0));
  EXPECT_EQ(values(threshold(of(DType::i64, {1, 2}), 1.5, 7.9)), (Values{7, 2}));
  EXPECT_EQ(error_of([] { threshold(of(DType::u8, {1}), 1, 300); }),
            "[threshold] expected a number that u8 holds, got 300");
  EXPECT_EQ(error_of([] { threshold(of(DType::boolean, {1}), 1, 0); }),
            "[threshold] expected numbers, got bool");
  EXPECT_EQ(error_of([] { softshrink(floats({1}), -1); }),
            "[softshrink] expected a lambda of at least 0, got -1");
  EXPECT_EQ(error_of([] { hardshrink(of(DType::i64, {1})); }),
            "[hardshrink] expected a floating dtype, got i64");
  EXPECT_EQ(error_of([] { tanhshrink(of(DType::boolean, {1})); }),
            "[tanhshrink] expected numbers, got bool");
  EXPECT_EQ(error_of([] { softmin(of(DType::i64, {1}), 0); }),
            "[softmin] expected a floating dtype, got i64");
  EXPECT_EQ(softmin(of(DType::u8, {1, 1}), 0, DType::f64).dtype(), DType::f64);
  EXPECT_TRUE(close_to(values(softmin(of(DType::u8, {0, 2}), 0, DType::f64)),
                       {1 / (1 + std::exp(-2.0)), 1 / (1 + std::exp(2.0))}, 1e-14, 0));
  Tensor y = floats({-1, 1}) * 1;
  threshold_(y, 0, 5);
  EXPECT_EQ(values(y), (Values{5, 1}));
}

}  // namespace
}  // namespace tessera
