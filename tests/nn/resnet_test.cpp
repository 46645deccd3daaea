#include "nn/models/resnet.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::doubles;
using test::error_of;

ResNetOptions of_imagenet(int64_t depth) {
  return {
      .depth = depth, .stem = ResNetStem::imagenet, .channels = 3, .size = 224, .classes = 1000};
}

TEST(ResNet, HasTheParametersOfTorchvisions) {
  DeferInit defer;
  EXPECT_EQ(ResNet(of_imagenet(18)).num_parameters(), 11689512);
  EXPECT_EQ(ResNet(of_imagenet(34)).num_parameters(), 21797672);
  EXPECT_EQ(ResNet(of_imagenet(50)).num_parameters(), 25557032);
}

TEST(ResNet, StartsAsKaimingSays) {
  manual_seed(1);
  ResNet model({.depth = 50, .width = 16, .zero_init_residual = true});
  auto deviation = [&](const char* name) {
    double squares = 0;
    std::vector<double> values = doubles(model.get<Conv2d>(name).weight.data());
    for (double v : values) squares += v * v;
    return std::sqrt(squares / static_cast<double>(values.size()));
  };
  EXPECT_NEAR(deviation("layer4.0.conv2"), std::sqrt(2.0 / (128 * 9)), 1e-3);
  EXPECT_NEAR(deviation("layer4.0.downsample.0"), std::sqrt(2.0 / 512), 1e-3);
  for (double v : doubles(model.get<BatchNorm2d>("layer1.0.bn3").weight.data())) EXPECT_EQ(v, 0);
  for (double v : doubles(model.get<BatchNorm2d>("layer1.0.bn2").weight.data())) EXPECT_EQ(v, 1);
}

TEST(ResNet, RefusesOtherDepthsAndSamples) {
  EXPECT_EQ(error_of([] { ResNet(ResNetOptions{.depth = 19}); }),
            "[resnet] expected a depth of 18, 34 or 50, got 19");
  ResNet model({.width = 2});
  EXPECT_EQ(error_of([&] {
              model({.images = Array::zeros({2, 783})});
            }),
            "[resnet] expected 1 x 28 x 28 numbers a sample, got (2, 783)");
  EXPECT_EQ(error_of([&] { model({}); }), "[resnet] expected a batch with images");
}

}  // namespace
}  // namespace tessera::nn
