#include "nn/layers/attention.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "tests/nn/layers/naive.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;

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

}  // namespace
}  // namespace tessera::nn
