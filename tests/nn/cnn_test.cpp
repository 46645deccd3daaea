#include "nn/models/cnn.h"

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

constexpr CnnOptions kSmall{.channels = 2, .size = 6, .width = 3, .hidden = 5, .classes = 4};

// Images (channels, rows, columns) in plain numbers.
struct Planes {
  int64_t channels, rows, columns;
  std::vector<double> values;

  double at(int64_t c, int64_t i, int64_t j) const {
    if (i < 0 || j < 0 || i >= rows || j >= columns) return 0;
    return values[static_cast<size_t>((c * rows + i) * columns + j)];
  }
};

// The largest of every 2 x 2 of relu(x * w + b), the convolution being 3 x 3 with zeros around.
Planes stage(const Planes& x, const std::vector<double>& w, const std::vector<double>& b) {
  Planes y{static_cast<int64_t>(b.size()), x.rows / 2, x.columns / 2, {}};
  auto value = [&](int64_t o, int64_t i, int64_t j) {
    double sum = b[static_cast<size_t>(o)];
    for (int64_t c = 0; c < x.channels; ++c) {
      for (int64_t k = 0; k < 9; ++k) {
        sum += w[static_cast<size_t>((o * x.channels + c) * 9 + k)] *
               x.at(c, i + k / 3 - 1, j + k % 3 - 1);
      }
    }
    return std::max(sum, 0.0);
  };
  for (int64_t o = 0; o < y.channels; ++o) {
    for (int64_t i = 0; i < y.rows; ++i) {
      for (int64_t j = 0; j < y.columns; ++j) {
        double largest = 0;
        for (int64_t k = 0; k < 4; ++k) {
          largest = std::max(largest, value(o, 2 * i + k / 2, 2 * j + k % 2));
        }
        y.values.push_back(largest);
      }
    }
  }
  return y;
}

std::vector<double> linear(const std::vector<double>& x, const std::vector<double>& w,
                           const std::vector<double>& b, bool relu) {
  std::vector<double> y = b;
  for (size_t o = 0; o < y.size(); ++o) {
    for (size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
    if (relu) y[o] = std::max(y[o], 0.0);
  }
  return y;
}

TEST(Cnn, GivesTheNaiveValues) {
  manual_seed(1);
  Cnn model(kSmall);
  EXPECT_EQ(model.num_parameters(), 3 * 2 * 9 + 3 + 6 * 3 * 9 + 6 + 5 * 6 + 5 + 4 * 5 + 4);
  Array images = random_array({3, 2, 6, 6});
  Array logits = model({.images = images}).data();
  ASSERT_EQ(logits.shape(), (Dims{3, 4}));
  std::vector<std::vector<double>> p;
  for (const auto& [name, value] : model.state_dict()) p.push_back(doubles(value));
  for (int64_t row = 0; row < 3; ++row) {
    Planes x{2, 6, 6, doubles(images.select(0, row))};
    x = stage(stage(x, p[0], p[1]), p[2], p[3]);
    std::vector<double> y = linear(linear(x.values, p[4], p[5], true), p[6], p[7], false);
    EXPECT_TRUE(close_to(doubles(logits.select(0, row)), y, 1e-5, 1e-5)) << row;
  }
}

TEST(Cnn, LearnsOneBatchByHeart) {
  manual_seed(1);
  Cnn model(kSmall);
  data::Batch batch{.images = random_array({8, 72}),
                    .targets = Array::from(std::vector<int64_t>{0, 1, 2, 3, 3, 2, 1, 0}, {8})};
  test::Losses losses = test::train_on_one_batch(model, batch, 300);
  EXPECT_EQ(losses.weight, 8);
  EXPECT_NEAR(losses.first, std::log(4), 0.3);
  EXPECT_LT(losses.last, 0.05);
}

TEST(Cnn, RefusesOtherSamples) {
  Cnn model(kSmall);
  EXPECT_EQ(error_of([&] {
              model({.images = Array::zeros({2, 71})});
            }),
            "[cnn] expected 2 x 6 x 6 numbers a sample, got (2, 71)");
  EXPECT_EQ(error_of([&] { model({}); }), "[cnn] expected a batch with images");
  EXPECT_EQ(error_of([] { Cnn{CnnOptions{.size = 3}}; }),
            "[cnn] expected images of at least 4 x 4, got 3 x 3");
}

}  // namespace
}  // namespace tessera::nn
