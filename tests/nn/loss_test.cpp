#include "nn/loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::doubles;
using test::error_of;
using test::random_array;

TEST(CrossEntropyLoss, IsASumWithItsWeight) {
  Array logits = random_array({2, 3, 4});
  Array targets = Array::from(std::vector<int64_t>{0, 1, 2, 3, 0, 1}, {2, 3});
  Loss loss = cross_entropy_loss(logits, targets);
  EXPECT_EQ(loss.weight, 6);
  EXPECT_EQ(loss.sum.dim(), 0U);
  std::vector<double> x = doubles(logits);
  double expected = 0;
  for (size_t row = 0; row < 6; ++row) {
    double total = 0;
    for (size_t c = 0; c < 4; ++c) total += std::exp(x[row * 4 + c]);
    expected += std::log(total) - x[row * 4 + row % 4];
  }
  EXPECT_NEAR(loss.sum.item<double>(), expected, 1e-5);
}

TEST(CrossEntropyLoss, IgnoredTargetsHaveNoWeight) {
  Array logits = Array::zeros({2, 4});
  auto of = [&](const std::vector<int64_t>& targets, const CrossEntropyOptions& options = {}) {
    return cross_entropy_loss(logits, Array::from(targets, {2}), options);
  };
  Loss one = of({0, -100});
  EXPECT_EQ(one.weight, 1);
  EXPECT_NEAR(one.sum.item<double>(), std::log(4), 1e-6);
  Loss none = of({-100, -100});
  EXPECT_EQ(none.weight, 0);
  EXPECT_EQ(none.sum.item<double>(), 0);
  EXPECT_EQ(of({3, 1}, {.ignore_index = 3}).weight, 1);
}

TEST(CrossEntropyLoss, WeighsByTheWeightsOfClasses) {
  Array logits = random_array({3, 3});
  Array targets = Array::from(std::vector<int64_t>{2, -100, 0}, {3});
  Tensor weight(Array::from(std::vector<float>{0.25F, 7, 2}, {3}));
  Loss loss = cross_entropy_loss(logits, targets, {.weight = weight});
  EXPECT_EQ(loss.weight, 2.25);
  // As the mean of the operation itself is divided.
  double mean = cross_entropy(logits, targets, {.weight = weight}).item<double>();
  EXPECT_NEAR(loss.sum.item<double>() / loss.weight, mean, 1e-6);
}

TEST(CrossEntropyLoss, OnMetaAllTargetsCount) {
  Device meta{DeviceType::meta};
  Tensor logits(Array::empty({5, 3}, DType::f32, meta));
  EXPECT_EQ(cross_entropy_loss(logits, Array::empty({5}, DType::i64, meta)).weight, 5);
}

TEST(CrossEntropyLoss, RefusesTargetsOfAnotherShape) {
  EXPECT_EQ(
      error_of([] {
        cross_entropy_loss(Array::zeros({2, 3}), Array::zeros({2, 3}));
      }),
      "[cross_entropy_loss] expected targets of the leading shape of logits (2, 3), got (2, 3)");
}

}  // namespace
}  // namespace tessera::nn
