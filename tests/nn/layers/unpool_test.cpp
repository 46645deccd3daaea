#include "nn/layers/unpool.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/layers/rrelu.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

TEST(Unpooling, LayersAreTheFunctionsOfTheirOptions) {
  Module root;
  MaxPool image = max_pool2d_with_indices(random_array({2, 3, 6, 8}), {2});
  MaxUnpool2d back(&root, "back", 2);
  EXPECT_TRUE(same_bits(back(image.values, image.indices).data(),
                        max_unpool2d(image.values, image.indices, {2}).data()));
  MaxPool sequence = max_pool1d_with_indices(random_array({2, 3, 7}), 3, 2);
  MaxUnpool1d line(&root, "line", 3, {.stride = {2}});
  EXPECT_EQ(line(sequence.values, sequence.indices, {8}).shape(), (Dims{2, 3, 8}));
  MaxPool volume = max_pool3d_with_indices(random_array({1, 2, 4, 6, 4}), {2});
  MaxUnpool3d deep(&root, "deep", 2);
  EXPECT_EQ(deep(volume.values, volume.indices).shape(), (Dims{1, 2, 4, 6, 4}));
  Tensor x(random_array({2, 3, 6, 8}));
  LpPool2d norm(&root, "norm", 2, Dims{2, 3}, {.stride = {1}});
  EXPECT_TRUE(same_bits(norm(x).data(), lp_pool2d(x, 2, {2, 3}, {1}).data()));
  EXPECT_EQ(root.num_parameters(), 0);
}

TEST(Unpooling, RefusesWhatDoesNotFit) {
  Tensor x = ones({1, 1, 2});
  Array places = Array::from(std::vector<int64_t>{0, 4}, {1, 1, 2});
  EXPECT_EQ(error_of([&] { max_unpool1d(x, places, 2); }),
            "[max_unpool1d] expected indices in [0, 4), got 4");
  EXPECT_EQ(error_of([&] { max_unpool1d(x, places, 2, 0, 0, {7}); }),
            "[max_unpool1d] expected an output_size between 2 and 6 in dim 0, got (7,)");
  EXPECT_TRUE(contains(error_of([&] { lp_pool1d(x, 0, 2); }),
                       "[lp_pool1d] expected a norm_type other than 0"));
}

TEST(RRelu, DrawsSlopesWhenTrainingOnly) {
  manual_seed(4);
  Module root;
  RRelu layer(&root, "rrelu", 0.25, 0.5);
  Tensor x(Array::full({1000}, -1), true);
  Tensor y = layer(x);
  std::vector<double> values = doubles(y.data());
  double total = 0;
  for (double v : values) {
    EXPECT_GE(v, -0.5);
    EXPECT_LE(v, -0.25);
    total += v;
  }
  EXPECT_NEAR(total / 1000, -0.375, 0.01);
  EXPECT_NE(values[0], values[1]);
  // The slope is the gradient.
  sum(y).backward();
  EXPECT_TRUE(same_bits(x.grad().data(), neg(y).data()));
  root.eval();
  EXPECT_EQ(doubles(layer(x).data())[0], -0.375);
  EXPECT_TRUE(contains(error_of([&] { rrelu(x, 0.5, 0.25); }), "[rrelu] expected finite slopes"));
}

}  // namespace
}  // namespace tessera::nn
