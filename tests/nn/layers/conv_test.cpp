#include "nn/layers/conv.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "tests/nn/layers/naive.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::error_of;
using test::random_array;
using test::same_bits;

TEST(Conv2d, IsTheFunctionOfItsOptions) {
  Module root;
  Conv2d layer(&root, "conv", 4, 6, {3, 2},
               {.stride = {2}, .padding = {1, 0}, .dilation = {1, 2}, .groups = 2});
  EXPECT_EQ(layer.weight.shape(), (Dims{6, 2, 3, 2}));
  Tensor x(random_array({2, 4, 7, 9}));
  Tensor expected = conv2d(x, layer.weight, layer.bias, {2}, {1, 0}, {1, 2}, 2);
  EXPECT_TRUE(same_bits(layer(x).data(), expected.data()));
  Conv2d square(&root, "square", 4, 6, {3}, {.bias = false});
  EXPECT_EQ(square.weight.shape(), (Dims{6, 4, 3, 3}));
  EXPECT_FALSE(square.bias.defined());
}

TEST(Conv2d, StartsAsPyTorchDoes) {
  manual_seed(1);
  Module root;
  Conv2d layer(&root, "conv", 8, 300, {3}, {.groups = 2});
  EXPECT_LE(max_abs(layer.weight), 1.0 / 6);  // 1 / sqrt(4 * 3 * 3)
  EXPECT_GT(max_abs(layer.weight), 0.99 / 6);
  EXPECT_LE(max_abs(layer.bias), 1.0 / 6);
  EXPECT_GT(max_abs(layer.bias), 0.9 / 6);
}

TEST(Conv1d, IsTheFunctionOfItsOptions) {
  Module root;
  Conv1d layer(&root, "conv", 4, 6, 3, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2});
  EXPECT_EQ(layer.weight.shape(), (Dims{6, 2, 3}));
  Tensor x(random_array({2, 4, 9}));
  EXPECT_TRUE(same_bits(layer(x).data(), conv1d(x, layer.weight, layer.bias, 2, 2, 2, 2).data()));
}

TEST(ConvTranspose2d, IsTheFunctionOfItsOptions) {
  Module root;
  ConvTranspose2d layer(&root, "up", 4, 6, {3},
                        {.stride = {2}, .padding = {1}, .output_padding = {1}, .groups = 2});
  EXPECT_EQ(layer.weight.shape(), (Dims{4, 3, 3, 3}));
  Tensor x(random_array({2, 4, 5, 5}));
  Tensor expected = conv_transpose2d(x, layer.weight, layer.bias, {2}, {1}, {1}, 2);
  EXPECT_TRUE(same_bits(layer(x).data(), expected.data()));
  EXPECT_EQ(expected.shape(), (Dims{2, 6, 10, 10}));
}

TEST(Conv2d, RefusesWhatDoesNotFit) {
  Module root;
  EXPECT_EQ(error_of([&] { Conv2d(&root, "c", 4, 6, {3}, {.groups = 4}); }),
            "[Conv2d] expected groups that divide both numbers of channels, got 4, 6 and 4");
  EXPECT_EQ(error_of([&] {
              Conv2d(&root, "c", 4, 6, {3, 3, 3});
            }),
            "[Conv2d] expected a kernel of one or two sizes, got (3, 3, 3)");
  EXPECT_EQ(error_of([&] { ConvTranspose2d(&root, "c", 4, 6, {0}); }),
            "[ConvTranspose2d] expected a kernel of at least 1, got (0,)");
  EXPECT_EQ(error_of([&] { Conv1d(&root, "c", 4, 6, 0); }),
            "[Conv1d] expected a kernel of at least 1, got 0");
}

}  // namespace
}  // namespace tessera::nn
