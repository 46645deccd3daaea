#include "nn/models/unet.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
#include "tests/nn/one_batch.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::error_of;
using test::random_array;

constexpr UnetOptions kSmallUnet{.size = 8, .width = 4, .levels = 2};

TEST(Unet, LearnsTheClassesOfPixels) {
  manual_seed(1);
  UnetOptions options = kSmallUnet;
  options.classes = 2;
  Unet model(options);
  Array images = random_array({2, 1, 8, 8}, DType::f32, 1, 0, 2);
  Array classes = images.to(DType::i64);  // what is bright
  data::Batch batch{.images = images, .targets = classes.reshape({2, 8, 8})};
  EXPECT_EQ(model(batch).shape(), (Dims{2, 8, 8, 2}));
  test::Losses losses = test::train_on_one_batch(model, batch, 40);
  EXPECT_EQ(losses.weight, 128);
  EXPECT_LT(losses.last, 0.2);
}

TEST(Unet, LearnsToTakeNoiseAway) {
  manual_seed(1);
  Unet model(kSmallUnet);
  data::Batch batch{.images = random_array({4, 1, 8, 8}, DType::f32, 1, 0, 1)};
  EXPECT_EQ(model(batch).shape(), (Dims{4, 1, 8, 8}));
  test::Losses losses = test::train_on_one_batch(model, batch, 60);
  EXPECT_EQ(losses.weight, 4);
  EXPECT_LT(losses.last, 0.3 * losses.first);
}

TEST(Unet, LosesNothingOnNoSamples) {
  Unet model(kSmallUnet);
  Loss loss = model.loss({.images = Array::zeros({0, 1, 8, 8})});
  EXPECT_EQ(loss.weight, 0);
  EXPECT_EQ(loss.sum.item<double>(), 0);
}

TEST(Unet, RefusesWhatDoesNotFit) {
  EXPECT_EQ(error_of([] { Unet(UnetOptions{.size = 12, .levels = 3}); }),
            "[unet] images of 12 x 12 cannot be halved 3 times");
  EXPECT_TRUE(contains(error_of([] { Unet(UnetOptions{.levels = 17}); }), "1 to 16 levels"));
  UnetOptions options = kSmallUnet;
  options.classes = 2;
  Unet model(options);
  data::Batch batch{.images = Array::zeros({2, 64}), .targets = Array::zeros({2}, DType::i64)};
  EXPECT_EQ(error_of([&] { model.loss(batch); }),
            "[unet] expected targets of 8 x 8 pixels a sample, got (2,)");
}

}  // namespace
}  // namespace tessera::nn
