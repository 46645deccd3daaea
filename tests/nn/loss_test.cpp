#include "nn/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/shape.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::doubles;
using test::error_of;
using test::random_array;

TEST(CrossEntropyLoss, IsASumWithItsWeight) {
  Array logits = random_array({2, 3, 4});
  Array targets = Array::from(std::vector<int64_t>{0, 1, 2, 3, 0, 1}, {2, 3});
  Loss loss = cross_entropy_loss(logits, targets);
  EXPECT_EQ(loss.weight, 6);
  EXPECT_EQ(loss.sum.dim(), 0U);
  std::vector<double> x = doubles(logits);
  double expected = 0;
  for (size_t row = 0; row < 6; ++row) {
    double total = 0;
    for (size_t c = 0; c < 4; ++c) total += std::exp(x[row * 4 + c]);
    expected += std::log(total) - x[row * 4 + row % 4];
  }
  EXPECT_NEAR(loss.sum.item<double>(), expected, 1e-5);
}

TEST(CrossEntropyLoss, IgnoredTargetsHaveNoWeight) {
  Array logits = Array::zeros({2, 4});
  auto of = [&](const std::vector<int64_t>& targets, const CrossEntropyOptions& options = {}) {
    return cross_entropy_loss(logits, Array::from(targets, {2}), options);
  };
  Loss one = of({0, -100});
  EXPECT_EQ(one.weight, 1);
  EXPECT_NEAR(one.sum.item<double>(), std::log(4), 1e-6);
  Loss none = of({-100, -100});
  EXPECT_EQ(none.weight, 0);
  EXPECT_EQ(none.sum.item<double>(), 0);
  EXPECT_EQ(of({3, 1}, {.ignore_index = 3}).weight, 1);
}

TEST(CrossEntropyLoss, WeighsByTheWeightsOfClasses) {
  Array logits = random_array({3, 3});
  Array targets = Array::from(std::vector<int64_t>{2, -100, 0}, {3});
  Tensor weight(Array::from(std::vector<float>{0.25F, 7, 2}, {3}));
  Loss loss = cross_entropy_loss(logits, targets, {.weight = weight});
  EXPECT_EQ(loss.weight, 2.25);
  // As the mean of the operation itself is divided.
  double mean = cross_entropy(logits, targets, {.weight = weight}).item<double>();
  EXPECT_NEAR(loss.sum.item<double>() / loss.weight, mean, 1e-6);
}

TEST(CrossEntropyLoss, OnMetaAllTargetsCount) {
  Device meta{DeviceType::meta};
  Tensor logits(Array::empty({5, 3}, DType::f32, meta));
  EXPECT_EQ(cross_entropy_loss(logits, Array::empty({5}, DType::i64, meta)).weight, 5);
}

TEST(CrossEntropyLoss, RefusesTargetsOfAnotherShape) {
  EXPECT_EQ(
      error_of([] {
        cross_entropy_loss(Array::zeros({2, 3}), Array::zeros({2, 3}, DType::i64));
      }),
      "[cross_entropy_loss] expected targets of the leading shape of logits (2, 3), got (2, 3)");
  EXPECT_EQ(error_of([] {
              nn::nll_loss(Array::zeros({4, 3}), Array::zeros({5}, DType::i64));
            }),
            "[nll_loss] expected targets of the leading shape of logits (4, 3), got (5,)");
  EXPECT_EQ(error_of([] {
              cross_entropy_loss(Array::zeros({4, 3}), Array::zeros({4}));
            }),
            "[cross_entropy_loss] expected targets of i64, got f32");
}

// Sums and weights of parts add up to those of the whole, and sums of 16 bits are in f32.
TEST(Losses, AddUpHoweverTheBatchIsCut) {
  using Of = Loss (*)(const Tensor& x, const Tensor& t);
  const std::vector<Of> losses{
      [](auto& x, auto& t) { return nn::mse_loss(x, t); },
      [](auto& x, auto& t) { return nn::mse_loss(x, t, t); },
      [](auto& x, auto& t) { return nn::huber_loss(x, t, 0.5, t); },
      [](auto& x, auto& t) { return bce_with_logits_loss(x, t); },
      [](auto& x, auto& t) { return kl_div_loss(x, t, {.batch_mean = true}); },
      [](auto& x, auto& t) { return nn::gaussian_nll_loss(x, t, 0.5); },
      [](auto& x, auto& t) { return nn::multilabel_soft_margin_loss(x, t); },
      [](auto& x, auto& t) { return cross_entropy_loss(x, t, {.label_smoothing = 0.1}); },
      [](auto& x, auto& t) { return nn::triplet_margin_loss(x, t, t * 2); },
  };
  for (size_t i = 0; i < losses.size(); ++i) {
    for (DType dtype : {DType::f32, DType::f64, DType::bf16}) {
      Tensor x = random_array({5, 3}, DType::f64, 1).to(dtype);
      Tensor t = random_array({5, 3}, DType::f64, 2, 0.1, 0.9).to(dtype);
      Loss whole = losses[i](x, t);
      EXPECT_EQ(whole.sum.dtype(), dtype == DType::bf16 ? DType::f32 : dtype) << i;
      EXPECT_EQ(whole.sum.dim(), 0U);
      double sum = 0;
      double weight = 0;
      for (auto [from, to] : {std::pair(0, 2), std::pair(2, 5)}) {
        Loss part = losses[i](slice(x, 0, from, to), slice(t, 0, from, to));
        sum += part.sum.item<double>();
        weight += part.weight;
      }
      EXPECT_NEAR(sum, whole.sum.item<double>(), 1e-5 * std::abs(sum)) << i;
      EXPECT_NEAR(weight, whole.weight, 1e-9) << i;
    }
  }
}

// What a plan goes through: shapes without content, and gradients of them.
TEST(Losses, NeedNoContentOnMeta) {
  auto floats = [](const Dims& shape) {
    return Tensor(Array::empty(shape, DType::f32, {DeviceType::meta}), true);
  };
  auto indices = [](const Dims& shape) {
    return Tensor(Array::empty(shape, DType::i64, {DeviceType::meta}));
  };
  const Tensor x = floats({4, 3});
  const Tensor log_probs = floats({5, 4, 3});
  const std::vector<Loss> losses{
      nn::nll_loss(x, indices({4})),
      nn::ctc_loss(log_probs, indices({4, 2}), indices({4}), indices({4})),
      nn::multi_margin_loss(x, indices({4})),
      nn::multilabel_margin_loss(x, indices({4, 3})),
      nn::gaussian_nll_loss(x, floats({4, 3}), floats({4, 3})),
      nn::cosine_embedding_loss(x, floats({4, 3}), indices({4})),
      nn::mse_loss(x, floats({4, 3}), floats({4, 3})),
      cross_entropy_loss(x, floats({4, 3})),
  };
  const std::vector<double> weights{4, 4, 4, 4, 12, 4, 12, 4};
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_EQ(losses[i].weight, weights[i]) << i;
    EXPECT_EQ(losses[i].sum.dim(), 0U) << i;
    losses[i].sum.backward();
  }
  EXPECT_EQ(x.grad().shape(), x.shape());
  EXPECT_EQ(log_probs.grad().shape(), log_probs.shape());
}

TEST(LinearCrossEntropyLoss, IsTheLossOfTheLogits) {
  Tensor weight(random_array({4, 3}, DType::f32, 2));
  Tensor bias(random_array({4}, DType::f32, 3));
  Array targets = Array::from(std::vector<int64_t>{0, 1, 2, -100, 0, 1}, {2, 3});
  for (DType dtype : {DType::f32, DType::bf16}) {
    Tensor x(random_array({2, 3, 3}).to(dtype));
    Tensor w = to(weight, dtype);
    Tensor b = to(bias, dtype);
    Loss one = linear_cross_entropy_loss(x, w, b, targets, {.label_smoothing = 0.1});
    Loss two = cross_entropy_loss(linear(x, w, b), targets, {.label_smoothing = 0.1});
    EXPECT_EQ(one.weight, 5);
    EXPECT_TRUE(test::same_bits(one.sum.data(), two.sum.data()));
  }
}

// A rank may have no samples of a step: its loss counts nothing and moves nothing.
TEST(Losses, OfNoSamplesAreZero) {
  auto floats = [](const Dims& shape) { return Tensor(Array::zeros(shape), true); };
  auto indices = [](const Dims& shape) { return Tensor(Array::zeros(shape, DType::i64)); };
  const Tensor x = floats({0, 3});
  const Tensor y = floats({0, 3});
  const Tensor log_probs = floats({5, 0, 3});
  const Tensor weight = floats({4, 3});
  const std::vector<Loss> losses{
      cross_entropy_loss(x, indices({0})),
      cross_entropy_loss(x, y),
      cross_entropy_loss(x, indices({0}), {.label_smoothing = 0.1}),
      linear_cross_entropy_loss(x, weight, {}, indices({0})),
      nn::nll_loss(x, indices({0})),
      nn::ctc_loss(log_probs, indices({0, 2}), indices({0}), indices({0})),
      nn::mse_loss(x, y),
      nn::mse_loss(x, y, y),
      nn::l1_loss(x, y),
      nn::l1_loss(x, y, y),
      nn::smooth_l1_loss(x, y),
      nn::huber_loss(x, y),
      nn::huber_loss(x, y, 1, y),
      bce_loss(x, y),
      bce_with_logits_loss(x, y),
      kl_div_loss(x, y),
      kl_div_loss(x, y, {.batch_mean = true}),
      nn::poisson_nll_loss(x, y),
      nn::gaussian_nll_loss(x, y, y),
      nn::gaussian_nll_loss(x, y, 0.5),
      nn::margin_ranking_loss(x, y, y),
      nn::hinge_embedding_loss(x, y),
      nn::cosine_embedding_loss(x, y, indices({0})),
      nn::soft_margin_loss(x, y),
      nn::multi_margin_loss(x, indices({0})),
      nn::multilabel_margin_loss(x, indices({0, 3})),
      nn::multilabel_soft_margin_loss(x, y),
      nn::triplet_margin_loss(x, y, y),
      nn::triplet_margin_with_distance_loss(x, y, y),
  };
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_EQ(losses[i].weight, 0) << i;
    EXPECT_EQ(losses[i].sum.item<double>(), 0) << i;
    losses[i].sum.backward();
  }
  EXPECT_EQ(x.grad().shape(), x.shape());
  EXPECT_EQ(log_probs.grad().shape(), log_probs.shape());
  EXPECT_EQ(doubles(weight.grad().data()), std::vector<double>(12));
}

}  // namespace
}  // namespace tessera::nn
