// Weight norm and spectral norm under every strategy.
#include <gtest/gtest.h>

#include "core/digest.h"
#include "nn/layers.h"
#include "tests/distributed/outcome.h"

namespace tessera {
namespace {

using test::kStrategies;
using test::make;
using test::Outcome;
using test::random_array;

// Both norms, in blocks and outside of them; one leaf leaves a layer out.
struct NormedTask : test::Task {
  struct Net : nn::Module {
    nn::Conv2d conv{this, "conv", 2, 6, 3};
    nn::Linear hidden{this, "hidden", 6, 40};
    nn::Linear sometimes{this, "sometimes", 40, 40};
    nn::Linear head{this, "head", 40, 3};
    Net() {
      nn::spectral_norm(conv);
      nn::weight_norm(hidden);
      nn::spectral_norm(sometimes, "weight", {.n_power_iterations = 2});
      nn::weight_norm(head, "weight", {.dim = 1});
      conv.make_block();
      hidden.make_block();
      sometimes.make_block();
    }
  } net;

  nn::Module& module() override { return net; }
  nn::Loss loss(Leaf leaf) override {
    int64_t rows = leaf.index == 2 ? 1 : 3;
    Tensor x = mean(relu(net.conv(test::conv_input(leaf, rows))), {2, 3});
    Tensor hidden = tanh(net.hidden(x));
    if (leaf.index != 1) hidden = relu(net.sometimes(hidden));
    Array targets =
        Array::from(std::vector<int64_t>(static_cast<size_t>(rows), leaf.index % 3), {rows});
    return nn::cross_entropy_loss(net.head(hidden), targets);
  }
};

TEST(NormedWeights, HaveTheSameBitsForAnyRanksAndStrategy) {
  Outcome alone = test::train_alone(make<NormedTask>(), {.leaves = 4});
  std::string digest_alone = digest(alone.weights);
  for (Strategy strategy : kStrategies) {
    for (int ranks : {1, 2, 3}) {
      for (bool recompute : {false, true}) {
        StepOptions options{
            .leaves = 4, .strategy = strategy, .bucket_bytes = 1, .recompute = recompute};
        test::run_ranks(ranks, [&](Communicator& comm) {
          Outcome here = test::train_on(comm, make<NormedTask>(), options);
          EXPECT_EQ(digest(here.weights), digest_alone)
              << name(strategy) << ", " << ranks << " ranks, recompute " << recompute;
        });
      }
    }
  }
}

// Without memory at first: each rank makes its part of the lengths.
TEST(NormedWeights, StartInPartsAsWhole) {
  auto trained = [](bool defer, Communicator& comm) {
    test::MakeTask make_task = [&]() -> std::unique_ptr<test::Task> {
      if (!defer) return std::make_unique<NormedTask>();
      const nn::DeferInit later;
      return std::make_unique<NormedTask>();
    };
    return digest(
        test::train_on(comm, make_task, {.leaves = 4, .strategy = Strategy::zero3}).weights);
  };
  std::string whole = trained(false, *make_self_communicator());
  test::run_ranks(2, [&](Communicator& comm) { EXPECT_EQ(trained(true, comm), whole); });
}

// The vectors of the last step are those of its start and weights, however many leaves there were.
TEST(NormedWeights, IterateOnceAStep) {
  auto vectors_after = [](int64_t leaves) {
    manual_seed(7);
    NormedTask task;
    auto optimizer = test::adamw_of(task.module());
    auto self = make_self_communicator();
    Mesh mesh(*self, {});
    TrainStep step(task.module(), optimizer, mesh, {.leaves = leaves});
    step.run(0, [&](Leaf leaf) { return task.loss(leaf); });
    return task.net.conv.get<nn::SpectralNorm>("parametrizations.weight").u().data().clone();
  };
  EXPECT_TRUE(test::same_bits(vectors_after(1), vectors_after(4)));
}

// A loss may ask a parameter that is made for its dtype.
TEST(NormedWeights, AreOfTheStepsDtype) {
  manual_seed(7);
  NormedTask task;
  auto optimizer = test::adamw_of(task.module());
  auto self = make_self_communicator();
  Mesh mesh(*self, {});
  TrainStep step(task.module(), optimizer, mesh, {.leaves = 1, .dtype = DType::bf16});
  EXPECT_EQ(task.net.conv.weight.dtype(), DType::bf16);
  EXPECT_EQ(task.net.head.weight.dtype(), DType::bf16);
}

}  // namespace
}  // namespace tessera
