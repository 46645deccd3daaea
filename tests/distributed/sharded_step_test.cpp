// Training steps whose parameters come and go, are frozen, unused, narrow or recomputed.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "nn/block.h"
#include "tests/distributed/outcome.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::adamw_of;
using test::contains;
using test::ConvTask;
using test::doubles;
using test::DropoutTask;
using test::error_of;
using test::expect_same;
using test::expect_same_on_ranks;
using test::GptTask;
using test::group_of;
using test::kLr;
using test::kSteps;
using test::kStrategies;
using test::make;
using test::MakeTask;
using test::Outcome;
using test::run_ranks;
using test::same_bits;
using test::train_alone;

struct Case {
  std::string name;
  MakeTask make;
};

struct UnusedNet : nn::Module {
  nn::Linear used{this, "used", 2, 2};
  nn::Linear unused{this, "unused", 2, 2};
  UnusedNet() {
    used.make_block();
    unused.make_block();
  }
};

// "No gradient" is judged over all leaves, and every rank says the same.
TEST(TrainStep, NamesAParameterWithoutGradient) {
  for (Strategy strategy : kStrategies) {
    run_ranks(2, [&](Communicator& comm) {
      UnusedNet net;
      optim::AdamW optimizer({{net.parameters()}}, {});
      Mesh mesh(comm);
      TrainStep step(net, optimizer, mesh, {.leaves = 3, .strategy = strategy});
      Tensor x(Array::full({1, 2}, 1));
      auto loss_with = [&](int64_t leaf_that_uses) {
        return [&, leaf_that_uses](Leaf leaf) {
          Tensor y = net.used(x);
          if (leaf.index == leaf_that_uses) y = net.unused(y);
          return nn::Loss{sum(y), 1};
        };
      };
      EXPECT_TRUE(step.run(kLr, loss_with(2)).finite()) << "one leaf is enough";
      EXPECT_EQ(error_of([&] { step.run(kLr, loss_with(-1)); }),
                "parameter 'unused.weight' got no gradient: it takes no part in the loss of any "
                "leaf of this step (parallel.unused_parameters: zero lets that be)");
    });
  }
}

TEST(TrainStep, CountsAnUnusedParameterAsZeroWhereThatIsAsked) {
  for (Strategy strategy : kStrategies) {
    run_ranks(2, [&](Communicator& comm) {
      UnusedNet net;
      // Without decay and moments, a gradient of zero changes nothing.
      optim::AdamW optimizer({{net.parameters()}}, {});
      Mesh mesh(comm);
      TrainStep step(net, optimizer, mesh,
                     {.leaves = 2, .strategy = strategy, .unused = UnusedParameters::zero});
      nn::StateDict before;
      for (const auto& [name, array] : step.state()) before.emplace_back(name, array.clone());
      Tensor x(Array::full({1, 2}, 1));
      auto loss = [&](Leaf) { return nn::Loss{sum(net.used(x)), 1}; };
      EXPECT_TRUE(step.run(kLr, loss).finite());
      nn::StateDict after = step.state();
      for (size_t i = 0; i < after.size(); ++i) {
        EXPECT_EQ(same_bits(after[i].second, before[i].second),
                  after[i].first.starts_with("unused"))
            << after[i].first << ", " << name(strategy);
      }
    });
  }
}

TEST(TrainStep, LeavesFrozenParametersAsTheyAre) {
  Outcome expected;
  for (Strategy strategy : kStrategies) {
    for (int world : {1, 3}) {
      run_ranks(world, [&](Communicator& comm) {
        manual_seed(4);
        DropoutTask task;
        task.net.fc2.weight.set_requires_grad(false);
        task.net.fc3.weight.set_requires_grad(false);
        std::vector<Tensor> trained;
        for (const Tensor& parameter : task.net.parameters()) {
          if (parameter.requires_grad()) trained.push_back(parameter);
        }
        Array before = task.net.fc2.weight.data().clone();
        optim::AdamW optimizer({{trained}}, {});
        Mesh mesh(comm, {.group = world});
        TrainStep step(task.net, optimizer, mesh,
                       {.leaves = 4, .clip_norm = 0.05, .strategy = strategy});
        Outcome outcome;
        for (int i = 0; i < kSteps; ++i) {
          outcome.steps.push_back(step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }));
        }
        for (const auto& [key, array] : step.state()) {
          outcome.weights.emplace_back(key, array.clone());
          if (key != "fc2.weight") continue;
          EXPECT_TRUE(same_bits(array, before)) << name(strategy);
        }
        if (world == 1 && strategy == Strategy::ddp) expected = outcome;
        expect_same(outcome, expected, fmt::format("{} on {} ranks", name(strategy), world));
      });
    }
  }
}

std::string absent(const char* block) {
  return fmt::format("the parameters of block '{}' are not gathered here", block);
}

TEST(Zero3, HasTheParametersOfBlocksOnlyWhileTheyRun) {
  run_ranks(2, [](Communicator& comm) {
    GptTask task;
    auto optimizer = adamw_of(task.model);
    Mesh mesh(comm);
    TrainStep step(task.model, optimizer, mesh, {.leaves = 2, .strategy = Strategy::zero3});
    auto whole_blocks = [&] {
      std::set<int> whole;
      for (const Bucket& bucket : step.buckets()) {
        if (bucket.sharded && !bucket.params.storage()->dropped()) whole.insert(bucket.block);
      }
      return whole;
    };
    const Tensor weight = task.model.named_parameters()[2].second;
    EXPECT_EQ(task.model.named_parameters()[2].first, "blocks.0.ln1.weight");
    EXPECT_EQ(error_of([&] { doubles(weight.data()); }), absent("blocks.0"));
    auto loss = [&](Leaf leaf) {
      nn::Loss out = task.loss(leaf);
      // Between forward and backward the last block stays.
      EXPECT_EQ(whole_blocks(), std::set<int>{1});
      EXPECT_EQ(error_of([&] { doubles(weight.data()); }), absent("blocks.0"));
      return out;
    };
    EXPECT_TRUE(step.run(kLr, loss).finite());
    EXPECT_EQ(whole_blocks(), std::set<int>{});
    EXPECT_EQ(error_of([&] { doubles(weight.data()); }), absent("blocks.0"));
    // The root's are always there.
    EXPECT_TRUE(std::isfinite(doubles(task.model.named_parameters()[0].second.data())[0]));
    step.whole_parameters([&] { EXPECT_EQ(doubles(weight.data()).size(), 16U); });
    EXPECT_EQ(whole_blocks(), std::set<int>{});
  });
}

// Ranks keep to one list of collectives whichever blocks their leaves use: the first ones, the last
// ones, some between, or none.
struct SkippingTask : test::Task {
  struct Net : nn::Module {
    nn::ModuleList<nn::Linear> layers{this, "layers"};
    nn::Linear head{this, "head", 4, 1};
    Net() {
      for (int i = 0; i < 4; ++i) layers.emplace_back(4, 4).make_block();
    }
  } net;

  nn::Module& module() override { return net; }
  nn::Loss loss(Leaf leaf) override {
    // Bit i says whether layer i is used: every pattern in sixteen leaves.
    Tensor x(Array::full({2, 4}, 0.1 * static_cast<double>(leaf.index + 1)));
    for (size_t i = 0; i < net.layers.size(); ++i) {
      if ((leaf.index >> i & 1) != 0) x = net.layers[i](x);
    }
    return {sum(net.head(x)), 1};
  }
};

TEST(Zero3, SkipsAnyBlocksOnAnyRank) {
  for (bool recompute : {false, true}) {
    StepOptions options{.leaves = 16, .recompute = recompute};
    Outcome expected = train_alone(make<SkippingTask>(), options);
    for (Strategy strategy : {Strategy::zero3, Strategy::hybrid}) {
      options.strategy = strategy;
      for (int world : {2, 3, 4}) {
        for (int per_node : {0, 1, 2}) {
          if (per_node > 0 && world % per_node != 0) continue;
          expect_same_on_ranks(make<SkippingTask>(), options, world, expected, 1, per_node);
        }
      }
    }
  }
}

TEST(Zero3, RefusesBlocksOutsideOfAStep) {
  run_ranks(2, [](Communicator& comm) {
    GptTask task;
    auto optimizer = adamw_of(task.model);
    Mesh mesh(comm);
    TrainStep step(task.model, optimizer, mesh, {.leaves = 2, .strategy = Strategy::zero3});
    EXPECT_EQ(error_of([&] {
                task.loss({0, 0});
              }),
              "block 'blocks.0' runs outside of a step, where zero3 has not gathered its "
              "parameters: TrainStep::evaluate and whole_parameters do");
    double loss = 0;
    step.whole_parameters([&] {
      NoGrad no_grad;
      loss = task.loss({0, 0}).sum.item<double>();
    });
    // A mean over tokens, of which each leaf has 16.
    EXPECT_NEAR(step.evaluate(1, [&](int64_t) { return task.loss({0, 0}); }), loss / 16, 1e-6);
  });
}

TEST(Zero3, RefusesABlockThatRunsTwice) {
  run_ranks(2, [](Communicator& comm) {
    UnusedNet net;
    optim::AdamW optimizer({{net.parameters()}}, {});
    Mesh mesh(comm);
    TrainStep step(net, optimizer, mesh, {.leaves = 2, .strategy = Strategy::zero3});
    Tensor x(Array::full({1, 2}, 1));
    std::string error = error_of([&] {
      step.run(kLr, [&](Leaf) {
        Tensor y = net.unused(net.used(x));
        return nn::Loss{sum(net.used(y)), 1};
      });
    });
    EXPECT_TRUE(contains(error, "the forward of block 'used' came a second time in one leaf"))
        << error;
  });
}

// The last batch of an epoch: fewer leaves, or fewer than ranks, the last of them smaller.
TEST(TrainStep, TakesABatchOfFewerLeaves) {
  auto train = [](Communicator& comm, const StepOptions& options) {
    manual_seed(7);
    GptTask task;
    auto optimizer = adamw_of(task.model);
    Mesh mesh(comm, test::shape_of(options.strategy, comm.size()));
    TrainStep step(task.model, optimizer, mesh, options);
    Outcome out;
    for (int64_t leaves : {6, 5, 2, 1, 6}) {
      out.steps.push_back(
          step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }, {.leaves = leaves}));
    }
    for (const auto& [name, array] : step.state()) out.weights.emplace_back(name, array.clone());
    return out;
  };
  for (ReductionMode mode : {ReductionMode::exact, ReductionMode::fast}) {
    StepOptions options{.leaves = 6, .clip_norm = 0.05, .reduction = mode};
    Outcome expected = train(*make_self_communicator(), options);
    // 16 tokens a leaf, 8 in leaf 4.
    std::vector<double> weights{88, 72, 32, 16, 88};
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(expected.steps[i].weight(), weights[i]);
    for (Strategy strategy : kStrategies) {
      options.strategy = strategy;
      for (int world : {2, 4}) {
        run_ranks(world, [&](Communicator& comm) {
          Outcome got = train(comm, options);
          std::string what = fmt::format("{} on {}", name(strategy), world);
          if (mode == ReductionMode::exact) return expect_same(got, expected, what);
          EXPECT_NEAR(got.steps[4].loss(), expected.steps[4].loss(), 1e-4) << what;
        });
      }
    }
  }
}

TEST(TrainStep, RecomputesBlocksWithTheSameBits) {
  for (const Case& one : {Case{"gpt", make<GptTask>()}, Case{"dropout", make<DropoutTask>()},
                          Case{"conv", make<ConvTask>()}}) {
    StepOptions options{.leaves = 4};
    Outcome expected = train_alone(one.make, options);
    options.recompute = true;
    expect_same(train_alone(one.make, options), expected, one.name);
    options.strategy = Strategy::zero3;
    expect_same_on_ranks(one.make, options, 2, expected);
  }
}

TEST(TrainStep, KeepsMastersOfBf16Parameters) {
  GptTask task;
  auto optimizer = adamw_of(task.model);
  auto comm = make_self_communicator();
  Mesh mesh(*comm);
  TrainStep step(task.model, optimizer, mesh, {.leaves = 1, .dtype = DType::bf16});
  // So small a step that no parameter in bf16 would move.
  auto run = [&] { step.run(1e-7, [&](Leaf leaf) { return task.loss(leaf); }); };
  nn::StateDict before;
  for (const auto& [name, array] : step.state()) before.emplace_back(name, array.clone());
  std::vector<Array> narrow;
  for (const Tensor& param : task.model.parameters()) narrow.push_back(param.data().clone());
  run();
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(step.state()[i].second.dtype(), DType::f32);
    EXPECT_FALSE(same_bits(step.state()[i].second, before[i].second)) << before[i].first;
    EXPECT_TRUE(
        same_bits(task.model.parameters()[i].data(), step.state()[i].second.to(DType::bf16)));
  }
}

}  // namespace
}  // namespace tessera
