#include "nn/layers/adaptive_softmax.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/nn/layers/torch_cases.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::error_of;
using test::LayerCase;
using test::made_array;
using Cutoffs = std::vector<int64_t>;
using Tensors = std::vector<Tensor>;

LayerCase adaptive(const std::string& name, const Dims& input, const Cutoffs& cutoffs,
                   AdaptiveSoftmaxOptions options = {}) {
  return {name, {input}, [=](Module& root, const Tensors& x) -> Tensors {
            auto& m =
                test::layer<AdaptiveLogSoftmaxWithLoss>(root, input.back(), 20, cutoffs, options);
            bool batched = input.size() == 2;
            Tensor target = batched ? Tensor(test::made_integers({12}, 60, 20))
                                    : Tensor(Array::full({}, 7, DType::i64));
            AdaptiveSoftmaxResult out = m(x[0], target);
            Tensor rows = batched ? x[0] : unsqueeze(x[0], 0);
            return {out.output, out.loss.sum / out.loss.weight, m.log_prob(rows),
                    to(m.predict(rows), DType::f32)};
          }};
}

TEST(AdaptiveSoftmax, GivesTheValuesAndGradientsOfTorch) {
  test::expect_as_in_torch(
      "adaptive_softmax.safetensors",
      {adaptive("adaptive", {12, 8}, {5, 12}, {.div_value = 2, .head_bias = true}),
       adaptive("adaptive_sharp", {12, 20}, {2, 9}), adaptive("adaptive_one_cluster", {12, 8}, {4}),
       adaptive("adaptive_no_batch", {8}, {4})});
}

TEST(AdaptiveSoftmax, HasTheNamesOfTorch) {
  AdaptiveLogSoftmaxWithLoss m(nullptr, "", 16, 20, {5, 12});
  std::string names;
  for (const auto& [name, tensor] : m.named_parameters()) {
    names += fmt::format("{} {} ", name, tensor.shape());
  }
  EXPECT_EQ(names,
            "head.weight (7, 16) tail.0.0.weight (4, 16) tail.0.1.weight (7, 4) tail.1.0.weight "
            "(1, 16) tail.1.1.weight (8, 1) ");
}

// A cluster that no target is in: a gradient of zeros, as of any rank's.
TEST(AdaptiveSoftmax, GivesEveryClusterAGradient) {
  AdaptiveLogSoftmaxWithLoss m(nullptr, "", 8, 20, {5, 12}, {.div_value = 2});
  Tensor x(made_array({2, 8}, 1), true);
  AdaptiveSoftmaxResult out = m(x, Tensor(Array::from(Cutoffs{0, 6}, {2})));
  EXPECT_EQ(out.loss.weight, 2);
  out.loss.sum.backward();
  for (const auto& [name, tensor] : m.named_parameters()) {
    ASSERT_TRUE(tensor.grad().defined()) << name;
    bool unused = name.starts_with("tail.1");
    EXPECT_EQ(sum(abs(tensor.grad())).item<float>() == 0, unused) << name;
  }
}

TEST(AdaptiveSoftmax, RefusesWhatDoesNotFit) {
  auto error = [](const Cutoffs& cutoffs, double div_value = 4) {
    return error_of(
        [&] { AdaptiveLogSoftmaxWithLoss(nullptr, "", 8, 20, cutoffs, {.div_value = div_value}); });
  };
  for (const Cutoffs& cutoffs : {Cutoffs{}, Cutoffs{0, 5}, Cutoffs{5, 5}, Cutoffs{5, 20}}) {
    EXPECT_TRUE(contains(error(cutoffs), "expected cutoffs that grow, from 1 to below 20, got"));
  }
  EXPECT_TRUE(contains(error({5}, 9), "a div_value of 9 leaves cluster 0 of 8 features none"));
  EXPECT_TRUE(contains(error({5}, 0), "a positive div_value, got 0"));
  AdaptiveLogSoftmaxWithLoss m(nullptr, "", 8, 20, {5});
  Tensor x(made_array({2, 8}, 1));
  auto refused = [&](const Tensor& input, const Tensor& target) {
    return error_of([&] { m(input, target); });
  };
  Tensor targets(Array::from(Cutoffs{0, 20}, {2}));
  EXPECT_TRUE(contains(refused(x, targets), "expected targets in [0, 20), got 20"));
  EXPECT_TRUE(contains(refused(x, to(targets, DType::i32)), "expected targets of i64, got i32"));
  EXPECT_TRUE(contains(refused(narrow(x, 0, 0, 1), targets), "got (1, 8) and (2,)"));
  EXPECT_TRUE(contains(refused(narrow(x, 1, 0, 7), targets), "an input (N, 8), got (2, 7)"));
  EXPECT_TRUE(contains(error_of([&] { m.predict(narrow(x, 1, 0, 7)); }), "an input (N, 8)"));
}

}  // namespace
}  // namespace tessera::nn
