#include "core/kernels/softmax.h"
#include "core/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;

const Kernels& cpu() { return kernels({}); }

TEST(Softmax, SurvivesLargeAndInfiniteNumbers) {
  Array x = Array::from<float>({1000, 1001, -INFINITY, -1e30F, 3, 3}, {2, 3, 1});
  x.select(0, 1).copy_(Array::from<float>({-1e30F, 3, 3}, {3, 1}));
  Array y = Array::empty({2, 3, 1});
  cpu().softmax().softmax(x, y);
  double p = 1 / (1 + std::exp(-1.0));
  EXPECT_TRUE(close_to(doubles(y), {1 - p, p, 0, 0, 0.5, 0.5}, 1e-6, 0));
  cpu().softmax().log_softmax(x, y);
  EXPECT_TRUE(close_to(doubles(y),
                       {std::log(1 - p), std::log(p), -INFINITY, -1e30, -std::log(2), -std::log(2)},
                       1e-4, 1e-6));  // at 1000 a float is exact to 6e-5
}

// The tail of the exponential: numbers below the range of normal ones, down to none.
TEST(Softmax, SharesVanishOnlyWhereFloatsEnd) {
  constexpr int64_t kCount = 67;
  Array x = Array::zeros({1, kCount, 1});
  for (int64_t i = 1; i < kCount; ++i) x.data<float>()[i] = -60 - 0.75F * static_cast<float>(i);
  Array y = Array::empty(x.shape());
  cpu().softmax().softmax(x, y);
  for (int64_t i = 1; i < kCount; ++i) {
    double e = std::exp(static_cast<double>(x.data<float>()[i]));
    EXPECT_NEAR(y.data<float>()[i], e, 2e-7 * e + 0x1.8p-150) << i;
  }
  EXPECT_GT(y.data<float>()[57], 0);  // e^-102.75
  EXPECT_EQ(y.data<float>()[59], 0);  // e^-104.25
}

// logsumexp in two parts where the first rounds: log 2 beside 1e8, nothing beside 1.
TEST(CrossEntropy, KeepsWhatRoundingTookFromLargeLogsumexps) {
  Array logits = Array::from<float>({1e8F, 1e8F, 1, 1}, {2, 2});
  Array lse = Array::empty({2, 2});
  Array rows = Array::empty({2});
  cpu().softmax().cross_entropy(logits, Array::zeros({2}, DType::i64), {}, rows, lse,
                                Array::empty({2}));
  EXPECT_TRUE(close_to(doubles(lse), {1e8, 1 + std::log(2.0), std::log(2.0), 0}, 0, 1e-6));
  EXPECT_TRUE(close_to(doubles(rows), {std::log(2.0), std::log(2.0)}, 0, 1e-6));
}

TEST(CrossEntropy, NamesATargetOutside) {
  Array logits = random_array({3, 5});
  Array losses = Array::empty({3});
  Array lse = Array::empty({2, 3});
  Array weights = Array::empty({3});
  auto error_for = [&](int64_t target) {
    Array targets = Array::from<int64_t>({4, 0, target}, {3});
    return error_of(
        [&] { cpu().softmax().cross_entropy(logits, targets, {}, losses, lse, weights); });
  };
  EXPECT_EQ(error_for(4), "");
  EXPECT_EQ(error_for(5), "[cross_entropy] expected a target in [0, 5), got 5 in row 2");
  EXPECT_EQ(error_for(-1), "[cross_entropy] expected a target in [0, 5), got -1 in row 2");
  EXPECT_EQ(error_for(INT64_MIN),
            fmt::format("[cross_entropy] expected a target in [0, 5), got {} in row 2", INT64_MIN));
}

TEST(CrossEntropy, NamesATargetOutsideFromAnyThread) {
  test::Threads guard(8);
  Array logits = random_array({2000, 100});
  Array targets = Array::zeros({2000}, DType::i64);
  targets.select(0, 1777).fill_(100);
  auto rows = [](int64_t count) { return Array::empty({count}); };
  EXPECT_EQ(error_of([&] {
              cpu().softmax().cross_entropy(logits, targets, {}, rows(2000), rows(4000),
                                            rows(2000));
            }),
            "[cross_entropy] expected a target in [0, 100), got 100 in row 1777");
}

// The logsumexp goes block by block: maxima that come late, infinities and NaNs in any block.
TEST(LogSoftmax, FindsTheMaximumWhereverItIs) {
  constexpr int64_t kSize = 7001;
  auto last_of = [&](const std::vector<std::pair<int64_t, double>>& values, double rest) {
    Array x = Array::full({1, kSize, 1}, rest);
    for (auto [at, value] : values) x.select(1, at).fill_(value);
    Array y = Array::empty({1, kSize, 1});
    cpu().softmax().log_softmax(x, y);
    return y.select(1, kSize - 1).item<double>();
  };
  for (int64_t at : {0, 2047, 2048, 5000, 7000}) {
    SCOPED_TRACE(at);
    double expected = (at == kSize - 1 ? 0.0 : -90.0) - std::log1p((kSize - 1) * std::exp(-90.0));
    EXPECT_NEAR(last_of({{at, 1090}}, 1000), expected, 1e-4);
    EXPECT_TRUE(std::isnan(last_of({{at, NAN}}, 0)));
    EXPECT_TRUE(std::isnan(last_of({{at, NAN}}, -INFINITY)));
    EXPECT_TRUE(std::isnan(last_of({{at, INFINITY}}, 0)));
    EXPECT_EQ(last_of({{at, 3}}, -INFINITY), at == kSize - 1 ? 0 : -INFINITY);
  }
  EXPECT_TRUE(std::isnan(last_of({}, -INFINITY)));
  EXPECT_NEAR(last_of({}, 5), -std::log(kSize), 1e-5);
}

// Along the middle dim against the same numbers with that dim last, on both sides of every cut.
TEST(Softmax, AnyDimAgreesWithTheLast) {
  using Forward = void (SoftmaxFamily::*)(const Array&, const Array&) const;
  using Backward = void (SoftmaxFamily::*)(const Array&, const Array&, const Array&) const;
  auto moved = [](const Array& x) { return x.transpose(1, 2).contiguous(); };
  auto rows = [](const Array& x) { return x.view({x.size(0) * x.size(1), x.size(2), 1}); };
  std::vector<std::pair<Forward, Backward>> kinds{
      {&SoftmaxFamily::softmax, &SoftmaxFamily::softmax_grad},
      {&SoftmaxFamily::log_softmax, &SoftmaxFamily::log_softmax_grad}};
  for (const Dims& shape :
       std::vector<Dims>{{1, 1, 2}, {2, 16, 3}, {3, 17, 255}, {1, 33, 257}, {1, 7000, 310}}) {
    Array x = random_array(shape, DType::f32, 1, -20, 20);
    Array dy = random_array(shape, DType::f32, 2);
    for (auto [forward, backward] : kinds) {
      Array y = Array::empty(shape);
      Array dx = Array::empty(shape);
      (cpu().softmax().*forward)(x, y);
      (cpu().softmax().*backward)(y, dy, dx);
      Array last_y = Array::empty(moved(x).shape());
      Array last_dx = Array::empty(last_y.shape());
      (cpu().softmax().*forward)(rows(moved(x)), rows(last_y));
      (cpu().softmax().*backward)(rows(moved(y)), rows(moved(dy)), rows(last_dx));
      EXPECT_TRUE(close_to(doubles(moved(y)), doubles(last_y), 1e-6, 1e-5)) << to_string(shape);
      EXPECT_TRUE(close_to(doubles(moved(dx)), doubles(last_dx), 1e-4, 1e-4)) << to_string(shape);
    }
  }
}

// Large results go past the caches; the bits are those of the usual way.
TEST(Softmax, LargeResultsHaveTheSameBits) {
  constexpr int64_t kCols = 1001;
  constexpr int64_t kRows = 2200;  // 8.8 MB of floats
  Array x = random_array({kRows, kCols, 1}, DType::f32, 1, -5, 5);
  Array whole = Array::empty(x.shape());
  cpu().softmax().softmax(x, whole);
  Array pieces = Array::empty(x.shape());
  for (int64_t i = 0; i < kRows; i += 550) {
    cpu().softmax().softmax(x.slice(0, i, i + 550), pieces.slice(0, i, i + 550));
  }
  EXPECT_TRUE(test::same_bits(whole, pieces));
}

}  // namespace
}  // namespace tessera
