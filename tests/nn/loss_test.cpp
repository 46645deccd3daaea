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

TEST(CrossEntropyLoss, RefusesTargetsOfAnotherShape) {
  EXPECT_EQ(
      error_of([] {
        cross_entropy_loss(Array::zeros({2, 3}), Array::zeros({2, 3}));
      }),
      "[cross_entropy_loss] expected targets of the leading shape of logits (2, 3), got (2, 3)");
}

}  // namespace
}  // namespace tessera::nn
