#include "nn/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "nn/models/gpt.h"
#include "nn/models/mlp.h"
#include "nn/models/unet.h"
#include "nn/models/vae.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::error_of;
using test::random_array;
using test::same_bits;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Array indices(const std::vector<int64_t>& values) {
  return Array::from(values, {static_cast<int64_t>(values.size())});
}

int64_t found(const Tensor& logits, const std::vector<int64_t>& targets, int64_t k = 1) {
  return accuracy(logits, indices(targets), {.k = k}).sum.item<int64_t>();
}

// How many targets torch.topk(x, k)[1] has, x being round(1000 sin(37 i)) / 100 in 6 rows of 8.
TEST(Accuracy, IsPyTorchs) {
  std::vector<double> values;
  for (int i = 0; i < 48; ++i) values.push_back(std::round(1000 * std::sin(37.0 * i)) / 100);
  Array logits = Array::from(values, {6, 8});
  std::vector<int64_t> targets{1, 7, 3, 0, 5, 2};
  const std::vector<int64_t> right{1, 3, 3, 3, 3, 6, 6, 6};
  for (int64_t k = 1; k <= 8; ++k) {
    EXPECT_EQ(found(logits, targets, k), right[static_cast<size_t>(k) - 1]) << k;
  }
  EXPECT_EQ(found(logits, targets, 9), 6);
}

TEST(Accuracy, CountsTheFirstOfEqualLogits) {
  for (DType dtype : test::kFloating) {
    Array logits = Array::from(std::vector<double>{2, 5, 5, 1}, {1, 4}).to(dtype);
    EXPECT_EQ(found(logits, {1}), 1);
    EXPECT_EQ(found(logits, {2}), 0);
    EXPECT_EQ(found(logits, {2}, 2), 1);
    EXPECT_EQ(found(logits, {0}, 2), 0);
  }
}

TEST(Accuracy, ANanIsNoRightAnswer) {
  Array all = Array::from(std::vector<double>{kNan, kNan, kNan, kNan}, {1, 4});
  EXPECT_EQ(found(all, {0}), 0);
  EXPECT_EQ(found(all, {0}, 4), 0);
  Array one = Array::from(std::vector<double>{3, kNan, 1, 2}, {1, 4});
  EXPECT_EQ(found(one, {0}), 0) << "the NaN is larger";
  EXPECT_EQ(found(one, {0}, 2), 1);
  EXPECT_EQ(found(one, {1}, 4), 0);
}

TEST(Accuracy, LeavesOutWhatIsIgnored) {
  Array logits = Array::from(std::vector<double>{1, 0, 0, 1, 1, 0}, {3, 2});
  Loss counted = accuracy(logits, indices({0, 0, -100}));
  EXPECT_EQ(counted.sum.item<int64_t>(), 1);
  EXPECT_EQ(counted.weight, 2);
  EXPECT_EQ(accuracy(logits, indices({0, 0, 1}), {.ignore_index = 0}).weight, 1);
  Loss none = accuracy(Array::zeros({0, 2}), indices({}));
  EXPECT_EQ(none.sum.item<int64_t>(), 0);
  EXPECT_EQ(none.weight, 0);
}

TEST(Accuracy, RefusesWhatDoesNotFit) {
  Array logits = Array::zeros({2, 3});
  EXPECT_EQ(error_of([&] { accuracy(logits, indices({0})); }),
            "[accuracy] expected targets of the leading shape of logits (2, 3), got (1,)");
  EXPECT_EQ(error_of([&] { accuracy(logits, Array::zeros({2})); }),
            "[accuracy] expected targets of i64, got f32");
  EXPECT_EQ(error_of([&] {
              accuracy(logits, indices({0, 1}), {.k = 0});
            }),
            "[accuracy] expected a k of at least 1, got 0");
  EXPECT_NE(error_of([&] { accuracy(logits, indices({0, 3})); }), "");
}

TEST(ClassMetrics, HaveTheFiveLikeliestWhereThereAreMore) {
  EXPECT_EQ(class_metrics(5).size(), 1U);
  ASSERT_EQ(class_metrics(6).size(), 2U);
  EXPECT_EQ(class_metrics(6)[1].name, "top5");
  Array logits = Array::from(std::vector<double>{0, 1, 2, 3, 4, 5}, {1, 6});
  std::vector<Loss> of_class = class_metrics_of(logits, indices({1}));
  ASSERT_EQ(of_class.size(), 2U);
  EXPECT_EQ(of_class[0].sum.item<double>(), 0);
  EXPECT_EQ(of_class[1].sum.item<double>(), 1);
  // Of probabilities the likeliest class.
  Array probabilities = Array::from(std::vector<double>{0, 0.1, 0, 0, 0, 0.9}, {1, 6});
  EXPECT_EQ(class_metrics_of(logits, probabilities)[0].sum.item<double>(), 1);
}

TEST(Model, EvaluatesItsLossAndItsMetricsAtOnce) {
  Mlp model({.inputs = 12, .hidden1 = 8, .hidden2 = 6, .classes = 7});
  data::Batch batch{.images = random_array({5, 12}), .targets = indices({0, 1, 2, 6, 0})};
  Evaluation all = model.evaluate(batch);
  Loss loss = model.loss(batch);
  EXPECT_TRUE(same_bits(all.loss.sum.data(), loss.sum.data()));
  EXPECT_EQ(all.loss.weight, loss.weight);
  ASSERT_EQ(model.metrics().size(), 2U);
  ASSERT_EQ(all.metrics.size(), 2U);
  Loss by_hand = accuracy(model(batch), batch.targets);
  EXPECT_EQ(all.metrics[0].sum.item<double>(), by_hand.sum.item<double>());
  EXPECT_EQ(all.metrics[0].weight, 5);
  EXPECT_EQ(error_of([&] { model.evaluate({.images = batch.images}); }),
            "[Model::loss] expected a batch with targets");
}

TEST(Model, OfTokensHasThePerplexityOfItsLoss) {
  Gpt model({.layers = 1, .heads = 1, .width = 8, .context = 4, .vocabulary = 5});
  data::Batch batch{.tokens = Array::zeros({2, 4}, DType::i64),
                    .targets = Array::zeros({2, 4}, DType::i64)};
  Evaluation all = model.evaluate(batch);
  ASSERT_EQ(all.metrics.size(), 1U);
  EXPECT_TRUE(same_bits(all.metrics[0].sum.data(), all.loss.sum.data()));
  EXPECT_EQ(model.metrics()[0].of_mean(std::log(8.0)), std::exp(std::log(8.0)));
}

TEST(Model, OfLatentVariablesHasTheTermsOfItsLoss) {
  Vae model({.inputs = 12, .hidden = 16, .latent = 2, .beta = 0.5});
  model.eval();
  Evaluation all = model.evaluate({.images = random_array({3, 12}, DType::f32, 1, 0, 1)});
  ASSERT_EQ(all.metrics.size(), 2U);
  double reconstruction = all.metrics[0].sum.item<double>();
  double kl = all.metrics[1].sum.item<double>();
  EXPECT_GT(kl, 0);
  EXPECT_NEAR(reconstruction + 0.5 * kl, all.loss.sum.item<double>(), 1e-4);
  EXPECT_EQ(all.metrics[1].weight, 3);
}

TEST(Model, OfPixelsIsRightAboutPixelsOrMeasuresNoise) {
  UnetOptions options{.size = 8, .width = 4, .levels = 2, .classes = 2, .noise = 0};
  Unet classifier(options);
  data::Batch batch{.images = random_array({2, 1, 8, 8}),
                    .targets = Array::zeros({2, 8, 8}, DType::i64)};
  Evaluation pixels = classifier.evaluate(batch);
  ASSERT_EQ(pixels.metrics.size(), 1U);
  EXPECT_EQ(pixels.metrics[0].weight, 128);
  options.classes = 0;
  Unet cleaner(options);
  EXPECT_EQ(cleaner.evaluate(batch).metrics.size(), 1U);
  EXPECT_NEAR(cleaner.metrics()[0].of_mean(0.01), 20, 1e-12);
}

// A model of one's own that says other things than it gives.
struct Odd final : Model {
  Tensor forward(const data::Batch& batch) override { return batch.images; }
  std::vector<MetricInfo> metrics() const override { return {{.name = "one"}, {.name = "two"}}; }
  Evaluation compute_evaluation(const data::Batch& batch) override {
    Loss loss = nn::mse_loss(batch.images, batch.images);
    return {loss, {loss}};
  }
};

TEST(Model, GivesAsManyMetricsAsItLists) {
  EXPECT_EQ(error_of([] { Odd().evaluate({.images = Array::zeros({1})}); }),
            "[Model::evaluate] expected as many metrics as metrics() lists, 2, got 1");
}

}  // namespace
}  // namespace tessera::nn
