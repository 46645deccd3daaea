#include "nn/models/mlp.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
#include "tests/nn/one_batch.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

constexpr MlpOptions kSmall{.inputs = 12, .hidden1 = 8, .hidden2 = 6, .classes = 4};

// relu(x w^T + b), or without the relu, for one row.
std::vector<double> layer(const std::vector<double>& x, const StateDict& state, size_t number,
                          bool relu) {
  std::vector<double> w = doubles(state[2 * number].second);
  std::vector<double> y = doubles(state[2 * number + 1].second);
  for (size_t o = 0; o < y.size(); ++o) {
    for (size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
    if (relu) y[o] = std::max(y[o], 0.0);
  }
  return y;
}

TEST(Mlp, GivesTheNaiveValues) {
  manual_seed(1);
  Mlp model(kSmall);
  EXPECT_EQ(model.num_parameters(), 12 * 8 + 8 + 8 * 6 + 6 + 6 * 4 + 4);
  Array images = random_array({5, 1, 3, 4});
  Array logits = model({.images = images}).data();
  EXPECT_EQ(logits.shape(), (Dims{5, 4}));
  StateDict state = model.state_dict();
  for (int64_t row = 0; row < 5; ++row) {
    std::vector<double> x = doubles(images.select(0, row));
    for (size_t number = 0; number < 3; ++number) x = layer(x, state, number, number < 2);
    EXPECT_TRUE(close_to(doubles(logits.select(0, row)), x, 1e-5, 1e-5)) << row;
  }
}

TEST(Mlp, TakesSamplesOfAnyShape) {
  manual_seed(1);
  Mlp model(kSmall);
  Array images = random_array({2, 12});
  Array logits = model({.images = images}).data();
  EXPECT_TRUE(same_bits(model({.images = images.view({2, 3, 1, 4})}).data(), logits));
  EXPECT_EQ(model({.images = Array::zeros({0, 12})}).shape(), (Dims{0, 4}));
}

TEST(Mlp, LearnsOneBatchByHeart) {
  manual_seed(1);
  Mlp model(kSmall);
  data::Batch batch{.images = random_array({8, 12}),
                    .targets = Array::from(std::vector<int64_t>{0, 1, 2, 3, 3, 2, 1, 0}, {8})};
  test::Losses losses = test::train_on_one_batch(model, batch, 200);
  EXPECT_EQ(losses.weight, 8);
  EXPECT_NEAR(losses.first, std::log(4), 0.2);
  EXPECT_LT(losses.last, 0.05);
}

TEST(Mlp, RefusesOtherSamples) {
  Mlp model(kSmall);
  EXPECT_EQ(error_of([&] {
              model({.images = Array::zeros({2, 11})});
            }),
            "[mlp] expected 12 numbers a sample, got (2, 11)");
  EXPECT_NE(error_of([&] { model({.images = Array::zeros({})}); }), "");
  EXPECT_NE(error_of([] { Mlp{MlpOptions{.inputs = 0}}; }), "");
}

}  // namespace
}  // namespace tessera::nn
