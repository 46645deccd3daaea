#include "nn/models/vae.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "tests/nn/one_batch.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::error_of;
using test::random_array;
using test::same_bits;

constexpr VaeOptions kSmallVae{.inputs = 12, .hidden = 16, .latent = 2};

TEST(Vae, DrawsInTrainingOnly) {
  manual_seed(1);
  Vae model(kSmallVae);
  data::Batch batch{.images = random_array({3, 1, 3, 4}, DType::f32, 1, 0, 1)};
  EXPECT_FALSE(same_bits(model(batch).data(), model(batch).data()));
  model.eval();
  EXPECT_TRUE(same_bits(model(batch).data(), model(batch).data()));
  EXPECT_EQ(model(batch).shape(), (Dims{3, 12}));
}

TEST(Vae, LearnsOneBatch) {
  manual_seed(1);
  Vae model(kSmallVae);
  data::Batch batch{.images = random_array({4, 12}, DType::f32, 1, 0, 2)};
  // Pixels of 0 and 1.
  batch.images = Tensor(batch.images.data().to(DType::i64).to(DType::f32));
  test::Losses losses = test::train_on_one_batch(model, batch, 150);
  EXPECT_EQ(losses.weight, 4);
  EXPECT_LT(losses.last, 0.6 * losses.first);
}

TEST(Vae, RefusesOtherSamples) {
  Vae model(kSmallVae);
  EXPECT_EQ(error_of([&] {
              model({.images = Array::zeros({2, 13})});
            }),
            "[vae] expected 12 numbers a sample, got (2, 13)");
  EXPECT_EQ(error_of([&] { model.loss({}); }), "[vae] expected a batch with images");
  EXPECT_EQ(error_of([] { Vae(VaeOptions{.beta = -1}); }),
            "[vae] expected a beta of at least 0, got -1");
}

}  // namespace
}  // namespace tessera::nn
