#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/unary.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;
using test::same_bits;

const Kernels& cpu() { return kernels({}); }

// Floats over the whole range: every exponent, several mantissas, both signs, and the specials.
std::vector<float> wide_floats() {
  std::vector<float> out;
  for (uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (uint32_t step = 0; step < 64; ++step) {
      uint32_t bits = exponent << 23 | step * 0x1ffff;
      out.push_back(std::bit_cast<float>(bits));
      out.push_back(-std::bit_cast<float>(bits));
    }
  }
  for (int i = -120000; i <= 120000; ++i) out.push_back(static_cast<float>(i) * 1e-3F);
  return out;
}

// Absolute and relative error are bounded as atol + rtol |expected|; infinities and NaN must be
// met exactly.
void expect_accurate(UnaryOp op, const std::function<double(double)>& reference, double atol,
                     double rtol, const std::function<bool(float)>& where = nullptr) {
  std::vector<float> inputs = wide_floats();
  if (where) std::erase_if(inputs, [&](float x) { return !where(x); });
  auto count = static_cast<int64_t>(inputs.size());
  Array x = Array::from(inputs, {count});
  Array y = Array::empty({count});
  cpu().unary().run(op, x, y);
  std::vector<float> got = y.to_vector<float>();
  for (size_t i = 0; i < inputs.size(); ++i) {
    double expected = reference(inputs[i]);
    auto rounded = static_cast<float>(expected);
    if (std::isnan(expected) || std::isinf(rounded)) {
      ASSERT_TRUE(std::isnan(expected) ? std::isnan(got[i]) : got[i] == rounded)
          << inputs[i] << ": " << got[i] << " against " << expected;
      continue;
    }
    ASSERT_LE(std::abs(got[i] - expected), atol + rtol * std::abs(expected))
        << inputs[i] << ": " << got[i] << " against " << expected;
  }
}

constexpr double kTiny = std::numeric_limits<float>::denorm_min();

TEST(Exp, IsAccurateFromUnderflowToOverflow) {
  expect_accurate(
      UnaryOp::exp, [](double x) { return std::exp(x); }, 2 * kTiny, 3e-7,
      [](float x) { return !(x > 88.7228F && x < 88.7229F); });
}

TEST(Log, IsAccurateOnAllPositiveNumbers) {
  expect_accurate(
      UnaryOp::log, [](double x) { return std::log(x); }, 1e-7, 3e-7);
}

TEST(Tanh, IsAccurateEverywhere) {
  expect_accurate(
      UnaryOp::tanh, [](double x) { return std::tanh(x); }, 2 * kTiny, 1e-6);
}

TEST(Sigmoid, IsAccurateInBothTails) {
  expect_accurate(
      UnaryOp::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 2 * kTiny, 4e-7);
}

TEST(Gelu, IsAccurateEverywhere) {
  auto gelu = [](double x) { return x * 0.5 * (1 + std::erf(x * M_SQRT1_2)); };
  expect_accurate(UnaryOp::gelu, gelu, 1e-6, 4e-7);
}

TEST(Gelu, GradientIsAccurateEverywhere) {
  std::vector<float> inputs = wide_floats();
  std::erase_if(inputs, [](float x) { return !(std::abs(x) < 1e10F); });
  auto count = static_cast<int64_t>(inputs.size());
  Array x = Array::from(inputs, {count});
  Array dx = Array::empty({count});
  cpu().binary().run(BinaryOp::gelu_grad, x, Array::full({count}, 1), dx);
  std::vector<double> expected;
  for (double v : inputs) {
    double pdf = std::exp(-0.5 * v * v) / std::sqrt(2 * M_PI);
    expected.push_back(0.5 * (1 + std::erf(v * M_SQRT1_2)) + v * pdf);
  }
  EXPECT_TRUE(close_to(doubles(dx), expected, 6e-7, 4e-7));
}

TEST(SqrtAndReciprocal, AreExact) {
  std::vector<float> inputs = wide_floats();
  auto count = static_cast<int64_t>(inputs.size());
  Array x = Array::from(inputs, {count});
  Array root = Array::empty({count});
  Array inverse = Array::empty({count});
  cpu().unary().run(UnaryOp::sqrt, x, root);
  cpu().unary().run(UnaryOp::reciprocal, x, inverse);
  for (size_t i = 0; i < inputs.size(); ++i) {
    float r = root.data<float>()[i];
    float expected = std::sqrt(inputs[i]);
    ASSERT_TRUE(r == expected || (std::isnan(r) && std::isnan(expected))) << inputs[i];
    float v = inverse.data<float>()[i];
    ASSERT_TRUE(v == 1 / inputs[i] || (std::isnan(v) && std::isnan(inputs[i]))) << inputs[i];
  }
}

std::vector<float> unary(UnaryOp op, const std::vector<float>& values) {
  Array x = Array::from(values, {static_cast<int64_t>(values.size())});
  Array y = Array::empty(x.shape());
  cpu().unary().run(op, x, y);
  return y.to_vector<float>();
}

TEST(Unary, KeepsNanAndSignsOfZero) {
  const float nan = NAN;
  for (UnaryOp op :
       {UnaryOp::neg, UnaryOp::abs, UnaryOp::square, UnaryOp::sqrt, UnaryOp::exp, UnaryOp::log,
        UnaryOp::tanh, UnaryOp::sigmoid, UnaryOp::relu, UnaryOp::gelu, UnaryOp::reciprocal}) {
    for (float y : unary(op, std::vector<float>(17, nan))) {
      EXPECT_TRUE(std::isnan(y)) << static_cast<int>(op);
    }
  }
  EXPECT_TRUE(std::signbit(unary(UnaryOp::neg, {0.0F})[0]));
  EXPECT_FALSE(std::signbit(unary(UnaryOp::abs, {-0.0F})[0]));
  EXPECT_EQ(unary(UnaryOp::sign, {-3, -0.0F, 0, INFINITY, nan}),
            (std::vector<float>{-1, 0, 0, 1, 0}));
  EXPECT_EQ(unary(UnaryOp::relu, {-1, 0, 2, -INFINITY}), (std::vector<float>{0, 0, 2, 0}));
  EXPECT_EQ(unary(UnaryOp::log, {0, -0.0F}), (std::vector<float>{-INFINITY, -INFINITY}));
}

TEST(Unary, WorksInPlace) {
  Array x = random_array({1000});
  Array expected = Array::empty({1000});
  cpu().unary().run(UnaryOp::gelu, x, expected);
  cpu().unary().run(UnaryOp::gelu, x, x);
  EXPECT_TRUE(same_bits(x, expected));
}

TEST(Unary, AnElementsBitsDoNotDependOnItsPlace) {
  Array x = random_array({100}, DType::f32, 3, -5, 5);
  for (UnaryOp op : {UnaryOp::exp, UnaryOp::tanh, UnaryOp::gelu, UnaryOp::sigmoid}) {
    Array whole = Array::empty({100});
    cpu().unary().run(op, x, whole);
    for (int64_t first = 0; first < 100; ++first) {
      Array part = Array::empty({std::min<int64_t>(13, 100 - first)});
      cpu().unary().run(op, x.slice(0, first, first + 13), part);
      ASSERT_TRUE(same_bits(part, whole.slice(0, first, first + 13)));
    }
  }
}

TEST(Binary, MaximumAndMinimumGiveNanForEitherNan) {
  const float nan = NAN;
  Array a = Array::from<float>({nan, 1, nan, 2, -INFINITY}, {5});
  Array b = Array::from<float>({1, nan, nan, 3, INFINITY}, {5});
  for (BinaryOp op : {BinaryOp::maximum, BinaryOp::minimum}) {
    Array out = Array::empty({5});
    cpu().binary().run(op, a, b, out);
    auto y = out.to_vector<float>();
    EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]) && std::isnan(y[2]));
    EXPECT_EQ(y[3], op == BinaryOp::maximum ? 3 : 2);
    EXPECT_EQ(y[4], op == BinaryOp::maximum ? INFINITY : -INFINITY);
  }
}

}  // namespace
}  // namespace tessera
