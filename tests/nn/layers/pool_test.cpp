#include "nn/layers/pool.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/arrays.h"

namespace tessera::nn {
namespace {

using test::random_array;
using test::same_bits;

TEST(Pooling, LayersAreTheFunctionsOfTheirOptions) {
  Module root;
  Tensor x(random_array({2, 3, 7, 9}));
  MaxPool2d largest(&root, "max", {3, 2}, {.stride = {2}, .padding = {1}, .ceil_mode = true});
  EXPECT_TRUE(same_bits(largest(x).data(), max_pool2d(x, {3, 2}, {2}, {1}, {1}, true).data()));
  AvgPool2d mean(&root, "mean", {3}, {.padding = {1}, .count_include_pad = false});
  EXPECT_TRUE(same_bits(mean(x).data(), avg_pool2d(x, {3}, {}, {1}, false, false).data()));
  AdaptiveAvgPool2d adaptive(&root, "adaptive", {2, 3});
  EXPECT_TRUE(same_bits(adaptive(x).data(), adaptive_avg_pool2d(x, {2, 3}).data()));
  EXPECT_EQ(root.num_parameters(), 0);
}

}  // namespace
}  // namespace tessera::nn
