#include "nn/layers/moe.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::made_array;

constexpr int64_t kWidth = 4;
constexpr int64_t kHidden = 3;

Tensor parameter(const Module& module, const std::string& name) {
  for (const auto& [found, value] : module.named_parameters()) {
    if (found == name) return value;
  }
  return {};
}

// Each token through all experts, those not chosen with a weight of 0.
Tensor naive_moe(const Moe& moe, const Tensor& x, int64_t top_k) {
  Tensor chances = softmax(linear(x, parameter(moe, "gate.weight")));
  Tensor best = topk(chances, top_k).indices;
  Tensor chosen = tessera::to(sum(one_hot(best, chances.size(1)), {1}), DType::f32);
  Tensor weights = chances * chosen;
  weights = weights / sum(weights, {1}, true);
  Tensor out;
  for (int64_t e = 0; e < chances.size(1); ++e) {
    Tensor both = linear(x, select(parameter(moe, "experts.gate_up_proj"), 0, e));
    Tensor hidden = silu(slice(both, 1, 0, kHidden)) * slice(both, 1, kHidden, 2 * kHidden);
    Tensor y = linear(hidden, select(parameter(moe, "experts.down_proj"), 0, e));
    y = y * slice(weights, 1, e, e + 1);
    out = out.defined() ? out + y : y;
  }
  return out;
}

TEST(Moe, GivesTheNaiveValuesAndGradients) {
  Moe moe(nullptr, "", kWidth, kHidden, {.experts = 5, .top_k = 2});
  test::fill_with_made_values(moe);
  Tensor x(made_array({7, kWidth}, 100, 2), true);
  Tensor dy(made_array({7, kWidth}, 200));
  auto run = [&](const Tensor& y) {
    moe.zero_grad();
    x.set_grad({});
    y.backward(dy);
    std::vector<Array> all{y.data(), x.grad().data()};
    for (const Tensor& p : moe.parameters()) all.push_back(p.grad().data());
    return all;
  };
  std::vector<Array> expected = run(naive_moe(moe, x, 2));
  std::vector<Array> got = run(moe(x).output);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(close_to(doubles(got[i]), doubles(expected[i]), 1e-5, 1e-5)) << i;
  }
}

// In bf16 these logits would be equal, and the first expert chosen.
TEST(Moe, RoutesInF32) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    Moe moe(nullptr, "", kWidth, kHidden, {.experts = 2, .top_k = 1});
    moe.to(dtype);
    Array gate = Array::from<float>({1, 1, 0, 0, 1, 1.0078125F, 0, 0}, {2, kWidth});
    parameter(moe, "gate.weight").data().copy_(gate);
    Tensor x(Array::from<float>({256, 0.0625F, 0, 0}, {1, kWidth}).to(dtype), true);
    MoeResult result = moe(x);
    EXPECT_EQ(result.output.dtype(), dtype);
    EXPECT_EQ(result.probabilities.dtype(), DType::f32);
    EXPECT_EQ(doubles(result.tokens.data()), (std::vector<double>{0, 1}));
    sum(tessera::to(result.output, DType::f32)).backward();
    EXPECT_EQ(parameter(moe, "gate.weight").grad().dtype(), dtype);
  }
}

TEST(Moe, ChoosesTheFirstOfEquals) {
  Moe moe(nullptr, "", kWidth, kHidden, {.experts = 4, .top_k = 2});
  parameter(moe, "gate.weight").data().fill_(0);
  MoeResult result = moe(Tensor(made_array({2, 3, kWidth}, 100)));
  EXPECT_EQ(result.output.shape(), (Dims{2, 3, kWidth}));
  EXPECT_EQ(doubles(result.tokens.data()), (std::vector<double>{6, 6, 0, 0}));
  EXPECT_TRUE(close_to(doubles(result.probabilities.data()), {1.5, 1.5, 1.5, 1.5}, 1e-6, 0));
}

// A token's result is its own, whoever is beside it: none is dropped.
TEST(Moe, TreatsTokensOneByOne) {
  Moe moe(nullptr, "", kWidth, kHidden, {.experts = 3, .top_k = 1, .normalized = false});
  test::fill_with_made_values(moe);
  Tensor x(made_array({20, kWidth}, 100, 2));
  std::vector<double> all = doubles(moe(x).output.data());
  std::vector<double> alone;
  for (int64_t i = 0; i < 20; ++i) {
    for (double v : doubles(moe(slice(x, 0, i, i + 1)).output.data())) alone.push_back(v);
  }
  EXPECT_TRUE(close_to(all, alone, 1e-6, 1e-6));
}

// All tokens to the same experts, which have no capacity that they could exceed.
TEST(Moe, GivesEveryTokenItsExpertsWhateverTheLoad) {
  constexpr int64_t kTokens = 300;
  Moe moe(nullptr, "", kWidth, kHidden, {.experts = 5, .top_k = 2});
  test::fill_with_made_values(moe);
  Tensor x = abs(Tensor(made_array({kTokens, kWidth}, 100, 2))) + 0.1;
  Array gate = parameter(moe, "gate.weight").data();
  for (int64_t expert : {1, 3}) gate.select(0, expert).fill_(expert == 1 ? 5 : 9);
  MoeResult result = moe(x);
  EXPECT_EQ(doubles(result.tokens.data()), (std::vector<double>{0, kTokens, 0, kTokens, 0}));
  EXPECT_TRUE(
      close_to(doubles(result.output.data()), doubles(naive_moe(moe, x, 2).data()), 1e-5, 1e-5));
  gate.fill_(0);
  gate.select(0, 4).fill_(9);
  EXPECT_EQ(doubles(moe(x).tokens.data()), (std::vector<double>{kTokens, 0, 0, 0, kTokens}));
}

TEST(Moe, IsBalancedWhereAllExpertsAreChosenAlike) {
  MoeResult even{{}, Tensor(Array::full({4}, 6)), Tensor(Array::full({4}, 3))};  // 12 tokens, top 2
  EXPECT_NEAR(balance_loss({even, even}, 12).item<double>(), 2, 1e-6);
  MoeResult one{
      {}, tensor(std::vector<float>{12, 0, 0, 0}), tensor(std::vector<float>{12, 0, 0, 0})};
  EXPECT_NEAR(balance_loss({one}, 12).item<double>(), 4, 1e-6);
}

TEST(Moe, RunsOnMeta) {
  Moe moe(nullptr, "", kWidth, kHidden, {.experts = 4, .top_k = 2});
  Device meta{DeviceType::meta};
  moe.to(meta);
  MoeResult result = moe(Tensor(Array::zeros({2, 3, kWidth}).to(meta)));
  EXPECT_EQ(result.output.shape(), (Dims{2, 3, kWidth}));
  sum(result.output).backward();
}

TEST(Moe, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(contains(error_of([] { Moe(nullptr, "", 4, 3, {.init_std = 0}); }),
                       "expected an init_std above 0, got 0"));
  EXPECT_TRUE(contains(error_of([] { Moe(nullptr, "", 4, 3, {.experts = 2, .top_k = 3}); }),
                       "a top_k of 1 to 2 experts, got 3"));
  Moe moe(nullptr, "", kWidth, kHidden, {});
  EXPECT_TRUE(contains(error_of([&] { moe(Tensor(Array::zeros({2, 5}))); }), "last dim is 4"));
}

}  // namespace
}  // namespace tessera::nn
