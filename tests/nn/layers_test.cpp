#include "nn/layers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/loss.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

// y = x w^T + b for x of `rows` rows.
std::vector<double> naive_linear(const std::vector<double>& x, const Linear& layer, int64_t rows) {
  std::vector<double> w = doubles(layer.weight.data());
  std::vector<double> b;
  if (layer.bias.defined()) b = doubles(layer.bias.data());
  auto out = static_cast<size_t>(layer.weight.size(0));
  auto in = static_cast<size_t>(layer.weight.size(1));
  std::vector<double> y;
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    for (size_t o = 0; o < out; ++o) {
      double total = b.empty() ? 0 : b[o];
      for (size_t i = 0; i < in; ++i) total += x[r * in + i] * w[o * in + i];
      y.push_back(total);
    }
  }
  return y;
}

double max_abs(const Tensor& x) {
  double out = 0;
  for (double v : doubles(x.data())) out = std::max(out, std::abs(v));
  return out;
}

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

TEST(Embedding, TakesRows) {
  Module root;
  Embedding layer(&root, "wte", 5, 3);
  Tensor y = layer(Array::from(std::vector<int64_t>{4, 0, 0, 2}, {2, 2}));
  EXPECT_EQ(y.shape(), (Dims{2, 2, 3}));
  std::vector<double> w = doubles(layer.weight.data());
  std::vector<double> expected;
  for (size_t row : {4, 0, 0, 2}) {
    for (size_t i = 0; i < 3; ++i) expected.push_back(w[row * 3 + i]);
  }
  EXPECT_EQ(doubles(y.data()), expected);
  EXPECT_THROW(layer(Array::from(std::vector<int64_t>{5}, {1})), Error);
  EXPECT_THROW(layer(Array::from(std::vector<int64_t>{-1}, {1})), Error);
}

TEST(LayerNorm, GivesTheNaiveValues) {
  constexpr int64_t kWidth = 37;
  constexpr double kEps = 1e-3;
  Module root;
  LayerNorm layer(&root, "ln", kWidth, kEps);
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

TEST(Gelu, GivesTheExactForm) {
  Module root;
  Gelu layer(&root, "act");
  Array x = random_array({50}, DType::f32, 1, -4, 4);
  std::vector<double> expected;
  for (double v : doubles(x)) expected.push_back(0.5 * v * (1 + std::erf(v / std::sqrt(2))));
  EXPECT_TRUE(close_to(doubles(layer(x).data()), expected, 1e-6, 1e-5));
}

TEST(Dropout, IsTheIdentityInEval) {
  Module root;
  Dropout layer(&root, "drop", 0.5);
  root.eval();
  Tensor x(random_array({100}), true);
  EXPECT_EQ(layer(x).shared(), x.shared());
  root.train();
  EXPECT_NE(layer(x).shared(), x.shared());
}

TEST(Dropout, DropsAndScales) {
  manual_seed(3);
  Module root;
  Dropout layer(&root, "drop", 0.25);
  std::vector<double> y = doubles(layer(Array::full({100000}, 3)).data());
  int dropped = 0;
  for (double v : y) {
    if (v == 0) ++dropped;
    else ASSERT_FLOAT_EQ(static_cast<float>(v), 4);
  }
  EXPECT_NEAR(dropped, 25000, 700);
  Dropout all(&root, "all", 1);
  EXPECT_EQ(doubles(all(Array::full({100}, 3)).data()), std::vector<double>(100, 0));
  Dropout none(&root, "none", 0);
  EXPECT_EQ(doubles(none(Array::full({100}, 3)).data()), std::vector<double>(100, 3));
}

TEST(Dropout, DrawsByLeafAndModule) {
  Module root;
  Dropout a(&root, "a", 0.5);
  Dropout b(&root, "b", 0.5);
  Array x = Array::full({256}, 1);
  auto begin = [](uint64_t step, uint64_t leaf) { context().random.begin(1, step, leaf); };
  begin(0, 0);
  Array first = a(x).data();
  Array second = a(x).data();
  EXPECT_FALSE(same_bits(first, second));
  // What b draws in between changes nothing for a.
  begin(0, 0);
  Array other = b(x).data();
  EXPECT_TRUE(same_bits(a(x).data(), first));
  b(x);
  EXPECT_TRUE(same_bits(a(x).data(), second));
  EXPECT_FALSE(same_bits(other, first));
  begin(0, 1);
  EXPECT_FALSE(same_bits(a(x).data(), first));
  begin(1, 0);
  EXPECT_FALSE(same_bits(a(x).data(), first));
}

TEST(Dropout, RefusesWhatIsNoProbability) {
  Module root;
  for (double p : {-0.1, 1.1, std::nan("")}) {
    EXPECT_TRUE(contains(error_of([&] { Dropout(&root, "d", p); }),
                         "[Dropout] expected a probability in [0, 1]"));
  }
}

// Every head's softmax(q k^T / sqrt(D)) v over the keys up to the query; qkv is (B, T, 3 C).
std::vector<double> naive_attention(const std::vector<double>& qkv, size_t batch, size_t time,
                                    size_t width, size_t heads) {
  size_t d = width / heads;
  std::vector<double> out(batch * time * width);
  auto at = [&](size_t b, size_t t, size_t which, size_t h, size_t i) {
    return qkv[(b * time + t) * 3 * width + which * width + h * d + i];
  };
  for (size_t b = 0; b < batch; ++b) {
    for (size_t h = 0; h < heads; ++h) {
      for (size_t t = 0; t < time; ++t) {
        std::vector<double> weights;
        double total = 0;
        for (size_t s = 0; s <= t; ++s) {
          double score = 0;
          for (size_t i = 0; i < d; ++i) score += at(b, t, 0, h, i) * at(b, s, 1, h, i);
          weights.push_back(std::exp(score / std::sqrt(static_cast<double>(d))));
          total += weights.back();
        }
        for (size_t s = 0; s <= t; ++s) {
          for (size_t i = 0; i < d; ++i) {
            out[(b * time + t) * width + h * d + i] += weights[s] / total * at(b, s, 2, h, i);
          }
        }
      }
    }
  }
  return out;
}

TEST(CausalSelfAttention, GivesTheNaiveValues) {
  manual_seed(1);
  constexpr int64_t kBatch = 2;
  constexpr int64_t kTime = 9;
  constexpr int64_t kWidth = 12;
  constexpr int64_t kHeads = 3;
  Module root;
  CausalSelfAttention layer(&root, "attn", kWidth, kHeads, {.init_std = 0.5});
  layer.c_attn.bias.data().copy_(random_array({3 * kWidth}));
  layer.c_proj.bias.data().copy_(random_array({kWidth}, DType::f32, 2));
  Array x = random_array({kBatch, kTime, kWidth});
  Tensor y = layer(x);
  EXPECT_EQ(y.shape(), x.shape());
  auto qkv = naive_linear(doubles(x), layer.c_attn, kBatch * kTime);
  auto heads = naive_attention(qkv, kBatch, kTime, kWidth, kHeads);
  auto expected = naive_linear(heads, layer.c_proj, kBatch * kTime);
  EXPECT_TRUE(close_to(doubles(y.data()), expected, 1e-5, 1e-5));
}

TEST(CausalSelfAttention, InitsItsProjections) {
  manual_seed(1);
  Module root;
  CausalSelfAttention layer(&root, "attn", 64, 2, {.init_std = 1, .residual_init_std = 0.01});
  EXPECT_GT(max_abs(layer.c_attn.weight), 2);
  EXPECT_LT(max_abs(layer.c_proj.weight), 0.1);
  EXPECT_GT(max_abs(layer.c_proj.weight), 0.02);
}

TEST(CausalSelfAttention, RefusesHeadsThatDoNotDivide) {
  Module root;
  EXPECT_EQ(error_of([&] { CausalSelfAttention(&root, "attn", 10, 3, {}); }),
            "[CausalSelfAttention] 3 heads do not divide a width of 10");
  EXPECT_NE(error_of([&] { CausalSelfAttention(&root, "attn", 10, 0, {}); }), "");
  // Nothing of the refused ones stays.
  EXPECT_EQ(root.num_parameters(), 0);
}

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

}  // namespace
}  // namespace tessera::nn
