#include "nn/layers/normalize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;

TEST(LayerNorm, GivesTheNaiveValues) {
  constexpr int64_t kWidth = 37;
  constexpr double kEps = 1e-3;
  Module root;
  LayerNorm layer(&root, "ln", kWidth, {.eps = kEps});
  EXPECT_EQ(doubles(layer.weight.data()), std::vector<double>(kWidth, 1));
  EXPECT_EQ(doubles(layer.bias.data()), std::vector<double>(kWidth, 0));
  layer.weight.data().copy_(random_array({kWidth}, DType::f32, 2));
  layer.bias.data().copy_(random_array({kWidth}, DType::f32, 3));
  std::vector<double> w = doubles(layer.weight.data());
  std::vector<double> b = doubles(layer.bias.data());
  Array x = random_array({2, 3, kWidth}, DType::f32, 4, -1, 5);
  std::vector<double> expected;
  std::vector<double> values = doubles(x);
  for (size_t row = 0; row < 6; ++row) {
    const double* v = values.data() + row * kWidth;
    double mean = 0;
    for (size_t i = 0; i < kWidth; ++i) mean += v[i] / kWidth;
    double variance = 0;
    for (size_t i = 0; i < kWidth; ++i) variance += (v[i] - mean) * (v[i] - mean) / kWidth;
    for (size_t i = 0; i < kWidth; ++i) {
      expected.push_back((v[i] - mean) / std::sqrt(variance + kEps) * w[i] + b[i]);
    }
  }
  EXPECT_TRUE(close_to(doubles(layer(x).data()), expected, 1e-5, 1e-5));
}

// Statistics of channel c of (N, C, L) and their running means after one batch.
TEST(BatchNorm1d, KeepsRunningStatistics) {
  Module root;
  BatchNorm1d layer(&root, "bn", 2);
  Array x = Array::from<float>({1, 3, 2, 10, 5, 7, 6, 20}, {4, 2});
  std::vector<double> y = doubles(layer(x).data());
  // Channel 0 holds 1, 2, 5, 6: mean 3.5, variance 17 / 3 unbiased. Channel 1: 10 and 58.
  EXPECT_TRUE(close_to(doubles(layer.running_mean.data()), {0.35, 1.0}, 1e-6, 0));
  EXPECT_TRUE(
      close_to(doubles(layer.running_var.data()), {0.9 + 1.7 / 3, 0.9 + 15.8 / 3}, 1e-5, 0));
  EXPECT_NEAR(y[0], -2.5 / std::sqrt(4.25 + 1e-5), 1e-5);
  EXPECT_EQ(layer.num_batches_tracked.item<int64_t>(), 1);
  // In evaluation they are used, and stay.
  layer.eval();
  y = doubles(layer(x).data());
  EXPECT_NEAR(y[0], (1 - 0.35) / std::sqrt(0.9 + 1.7 / 3 + 1e-5), 1e-5);
  EXPECT_EQ(layer.num_batches_tracked.item<int64_t>(), 1);
  EXPECT_TRUE(close_to(doubles(layer.running_mean.data()), {0.35, 1.0}, 1e-6, 0));
}

TEST(BatchNorm1d, WithoutMomentumAveragesOverBatches) {
  Module root;
  BatchNorm1d layer(&root, "bn", 1, {.momentum = std::nullopt});
  for (float first : {0.0F, 4.0F, 5.0F}) layer(Array::from<float>({first, first + 2}, {2, 1}));
  EXPECT_NEAR(layer.running_mean.item<double>(), 4, 1e-6);
  EXPECT_NEAR(layer.running_var.item<double>(), 2, 1e-6);
}

TEST(BatchNorm2d, NamesItsStateAsPyTorchDoes) {
  struct Net : Module {
    BatchNorm2d bn{this, "bn", 3};
    BatchNorm2d plain{this, "plain", 3, {.affine = false, .track_running_stats = false}};
  } net;
  std::vector<std::string> names;
  for (const auto& [name, value] : net.state_dict()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"bn.weight", "bn.bias", "bn.running_mean",
                                             "bn.running_var", "bn.num_batches_tracked"}));
  // Without running statistics evaluation uses the batch's own.
  net.eval();
  Tensor x(random_array({2, 3, 4, 5}));
  std::vector<double> own = doubles(net.plain(x).data());
  net.train();
  EXPECT_EQ(doubles(net.plain(x).data()), own);
  EXPECT_EQ(error_of([&] {
              net.bn(Array::zeros({2, 3}));
            }),
            "[BatchNorm] expected an input of 4 to 4 dims, got (2, 3)");
}

TEST(InstanceNorm2d, HasNoParametersUnlessAsked) {
  Module root;
  InstanceNorm2d plain(&root, "plain", 3);
  InstanceNorm2d full(&root, "full", 3, {.affine = true, .track_running_stats = true});
  EXPECT_EQ(root.num_parameters(), 6);
  EXPECT_EQ(root.named_buffers().size(), 3U);
  Tensor x(random_array({2, 3, 4, 5}));
  EXPECT_TRUE(close_to(doubles(plain(x).data()), doubles(full(x).data()), 1e-6, 1e-6));
  EXPECT_NE(doubles(full.running_mean.data()), std::vector<double>(3, 0));
  EXPECT_EQ(full.num_batches_tracked.item<int64_t>(), 0);
}

TEST(GroupNorm, WithOneGroupIsALayerNorm) {
  Module root;
  GroupNorm groups(&root, "gn", 1, 6);
  LayerNorm whole(&root, "ln", {6, 4});
  Tensor x(random_array({3, 6, 4}));
  EXPECT_TRUE(close_to(doubles(groups(x).data()), doubles(whole(x).data()), 1e-6, 1e-6));
  EXPECT_EQ(error_of([&] { GroupNorm(&root, "bad", 4, 6); }),
            "[GroupNorm] 4 groups do not divide 6 channels");
}

TEST(RmsNorm, DividesByTheRootMeanSquare) {
  Module root;
  RmsNorm layer(&root, "norm", 4);
  Tensor y = layer(Array::from<float>({1, -1, 5, -5}, {1, 4}));
  double rms = std::sqrt(13.0);
  EXPECT_TRUE(close_to(doubles(y.data()), {1 / rms, -1 / rms, 5 / rms, -5 / rms}, 1e-6, 0));
  EXPECT_EQ(root.num_parameters(), 4);
}

}  // namespace
}  // namespace tessera::nn
