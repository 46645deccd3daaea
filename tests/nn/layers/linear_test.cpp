#include "nn/layers/linear.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "tests/nn/layers/naive.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;

TEST(Linear, GivesTheNaiveValues) {
  manual_seed(1);
  Module root;
  Linear layer(&root, "fc", 7, 5);
  Array x = random_array({2, 3, 7});
  Tensor y = layer(x);
  EXPECT_EQ(y.shape(), (Dims{2, 3, 5}));
  EXPECT_TRUE(close_to(doubles(y.data()), naive_linear(doubles(x), layer, 6), 1e-5, 1e-5));
}

TEST(Linear, MayHaveNoBias) {
  manual_seed(1);
  Module root;
  Linear layer(&root, "fc", 7, 5, {.bias = false});
  EXPECT_FALSE(layer.bias.defined());
  EXPECT_EQ(root.num_parameters(), 35);
  Array x = random_array({4, 7});
  EXPECT_TRUE(close_to(doubles(layer(x).data()), naive_linear(doubles(x), layer, 4), 1e-5, 1e-5));
}

TEST(Linear, StartsAsDocumented) {
  manual_seed(1);
  Module root;
  Linear uniform(&root, "uniform", 400, 50);
  EXPECT_LE(max_abs(uniform.weight), 1.0 / 20);
  EXPECT_GT(max_abs(uniform.weight), 0.99 / 20);
  EXPECT_LE(max_abs(uniform.bias), 1.0 / 20);
  EXPECT_GT(max_abs(uniform.bias), 0);
  Linear normal(&root, "normal", 400, 50, {.bias = true, .init_std = 1});
  EXPECT_GT(max_abs(normal.weight), 3);
  EXPECT_EQ(max_abs(normal.bias), 0);
}

TEST(Linear, RefusesNoFeatures) {
  Module root;
  EXPECT_EQ(error_of([&] { Linear(&root, "fc", 0, 3); }),
            "[Linear] expected at least one feature, got 0 and 3");
  EXPECT_NE(error_of([&] { Linear(&root, "fc", 3, -1); }), "");
}

}  // namespace
}  // namespace tessera::nn
