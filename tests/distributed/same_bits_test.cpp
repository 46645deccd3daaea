// A step gives the same bits however a run is spread out.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "distributed/train_step.h"
#include "nn/optim/adamw.h"
#include "tests/distributed/outcome.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::adamw_of;
using test::close_to;
using test::ConvTask;
using test::doubles;
using test::DropoutTask;
using test::expect_same_on_ranks;
using test::GptTask;
using test::kLr;
using test::kSteps;
using test::kStrategies;
using test::make;
using test::MakeTask;
using test::Outcome;
using test::run_ranks;
using test::same_bits;
using test::Task;
using test::train_alone;
using test::train_on;

struct Case {
  std::string name;
  MakeTask make;
};
std::ostream& operator<<(std::ostream& out, const Case& test_case) { return out << test_case.name; }

class SameBits : public testing::TestWithParam<Case> {};

TEST_P(SameBits, ForAnyNumberOfRanksAndBucketSize) {
  StepOptions options{.leaves = 8, .clip_norm = 0.05};
  Outcome expected = train_alone(GetParam().make, options);
  for (const StepResult& step : expected.steps) EXPECT_TRUE(step.finite());
  EXPECT_GT(expected.steps[0].grad_norm(), 0);
  for (int64_t bytes : {int64_t{1}, int64_t{8192}, int64_t{1} << 24}) {
    options.bucket_bytes = bytes;
    for (int world : {1, 2, 3, 4, 8}) {
      if (bytes == 8192 && world != 3) continue;
      expect_same_on_ranks(GetParam().make, options, world, expected);
    }
  }
}

TEST_P(SameBits, ForLeavesThatRanksDoNotDivide) {
  StepOptions options{.leaves = 5};
  Outcome expected = train_alone(GetParam().make, options);
  for (Strategy strategy : kStrategies) {
    options.strategy = strategy;
    for (int64_t bytes : {int64_t{1}, int64_t{1} << 24}) {
      options.bucket_bytes = bytes;
      expect_same_on_ranks(GetParam().make, options, 3, expected);
    }
  }
}

TEST_P(SameBits, ForAnyStrategy) {
  StepOptions options{.leaves = 6, .clip_norm = 0.05};
  Outcome expected = train_alone(GetParam().make, options);
  for (Strategy strategy : kStrategies) {
    options.strategy = strategy;
    for (int world : {1, 2, 4, 6}) {
      expect_same_on_ranks(GetParam().make, options, world, expected);
    }
  }
}

TEST_P(SameBits, ForAnyNumberOfThreads) {
  StepOptions options{.leaves = 4};
  Outcome expected = train_alone(GetParam().make, options);
  for (Strategy strategy : kStrategies) {
    options.strategy = strategy;
    expect_same_on_ranks(GetParam().make, options, 2, expected, 3);
  }
}

TEST_P(SameBits, UpToRoundingForFastSumsOfAnyStrategy) {
  StepOptions options{.leaves = 5, .reduction = ReductionMode::fast};
  Outcome expected = train_alone(GetParam().make, options);
  for (Strategy strategy : kStrategies) {
    options.strategy = strategy;
    run_ranks(2, [&](Communicator& comm) {
      Outcome got = train_on(comm, GetParam().make, options);
      for (size_t i = 0; i < got.weights.size(); ++i) {
        EXPECT_TRUE(close_to(doubles(got.weights[i].second), doubles(expected.weights[i].second),
                             1e-3, 1e-3))
            << got.weights[i].first << ", " << name(strategy);
      }
    });
  }
}

// What the tests above would not notice if it were not so.
TEST_P(SameBits, ButNotForFastSums) {
  StepOptions options{.leaves = 8};
  Outcome expected = train_alone(GetParam().make, options);
  options.reduction = ReductionMode::fast;
  bool differs = false;
  Outcome fast = train_alone(GetParam().make, options);
  for (size_t i = 0; i < fast.weights.size(); ++i) {
    const Array& got = fast.weights[i].second;
    differs = differs || !same_bits(got, expected.weights[i].second);
    EXPECT_TRUE(close_to(doubles(got), doubles(expected.weights[i].second), 1e-3, 1e-3));
  }
  EXPECT_TRUE(differs);
}

// Plain autograd and AdamW::step over the whole batch, without buckets and trees.
TEST_P(SameBits, AsPlainTrainingUpToRounding) {
  constexpr double kClip = 0.05;
  StepOptions options{.leaves = 8, .clip_norm = kClip, .seed = 3};
  Outcome got = train_alone(GetParam().make, options);

  manual_seed(7);
  std::unique_ptr<Task> task = GetParam().make();
  auto optimizer = adamw_of(task->module());
  for (int step = 0; step < kSteps; ++step) {
    double loss = 0;
    double weight = 0;
    optimizer.zero_grad();
    for (int64_t leaf = 0; leaf < 8; ++leaf) {
      context().random.begin(3, static_cast<uint64_t>(step), static_cast<uint64_t>(leaf));
      nn::Loss of_leaf = task->loss({leaf, step});
      of_leaf.sum.backward();
      loss += of_leaf.sum.item<double>();
      weight += of_leaf.weight;
    }
    double norm = 0;
    optim::clip_grad_norm(task->module().parameters(), 1, &norm);
    norm /= weight;
    double factor = std::min(1.0, kClip / (norm + 1e-6));
    optimizer.step(kLr, Array::scalar(factor / weight, DType::f64));
    StepResult result = got.steps[static_cast<size_t>(step)];
    EXPECT_NEAR(result.loss(), loss / weight, 1e-5);
    EXPECT_EQ(result.weight(), weight);
    EXPECT_NEAR(result.grad_norm(), norm, 1e-4 * norm);
    EXPECT_LT(factor, 1) << "the test means to clip";
  }
  // Buffers aside: there every leaf moves running statistics.
  for (const auto& [name, parameter] : task->module().named_parameters()) {
    for (const auto& [trained, weight] : got.weights) {
      if (trained != name) continue;
      EXPECT_TRUE(close_to(doubles(weight), doubles(parameter.data()), 1e-5, 1e-5)) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, SameBits,
                         testing::Values(Case{"gpt", make<GptTask>()},
                                         Case{"dropout", make<DropoutTask>()},
                                         Case{"conv", make<ConvTask>()}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace tessera
