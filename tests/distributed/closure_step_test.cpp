// Steps of a rule that asks for the loss several times: the same bits under every strategy, on any
// number of ranks, and from a saved state.
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "autograd/context.h"
#include "core/digest.h"
#include "nn/optim/ema.h"
#include "nn/optim/lbfgs.h"
#include "tests/distributed/tasks.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"

namespace tessera::test {
namespace {

constexpr Strategy kStrategies[] = {Strategy::ddp, Strategy::zero1, Strategy::zero2,
                                    Strategy::zero3, Strategy::hybrid};
constexpr optim::LbfgsRule::Options kWolfe{
    .max_iter = 3, .history_size = 2, .line_search = optim::LineSearch::strong_wolfe};
constexpr optim::LbfgsRule::Options kFixed{.max_iter = 4, .history_size = 3};

struct Loop {
  std::unique_ptr<Task> task;
  optim::Lbfgs optimizer;
  Mesh mesh;
  TrainStep step;
  int evaluations = 0;

  Loop(Communicator& comm, Strategy strategy, optim::LbfgsRule::Options rule,
       std::optional<DType> dtype = {}, const MakeTask& make_task = make<GptTask>())
      : task(make_task()),
        optimizer(optim::groups_of(task->module(), {}), rule),
        mesh(comm, shape_of(strategy, comm.size())),
        step(task->module(), optimizer, mesh,
             {.leaves = 5, .strategy = strategy, .bucket_bytes = 8192, .dtype = dtype}) {}
  StepResult run(double lr = 0.5) {
    return step.run(lr, [&](Leaf leaf) {
      ++evaluations;
      return task->loss(leaf);
    });
  }
  std::string digest() { return tessera::digest(step.state()); }
};

std::vector<Array> masters_of(const TrainStep& step) {
  std::vector<Array> out;
  for (const Bucket& bucket : step.buckets()) {
    out.push_back(bucket.master.clone());
    out.push_back(bucket.own_params.clone());
    if (!bucket.sharded && step.grid().owners().size() == 1) out.push_back(bucket.params.clone());
  }
  return out;
}

struct Case {
  std::string name;
  optim::LbfgsRule::Options rule;
  std::optional<DType> dtype = {};
  MakeTask task = make<GptTask>();
};

std::string digest_of(int ranks, Strategy strategy, const Case& row) {
  std::string out;
  run_ranks(ranks, [&](Communicator& comm) {
    manual_seed(7);
    Loop loop(comm, strategy, row.rule, row.dtype, row.task);
    double first = loop.run().loss();
    EXPECT_TRUE(loop.run().finite());
    EXPECT_LT(loop.run().loss(), first * 1.5);
    EXPECT_EQ(loop.step.updates_done(), 3);
    std::string digest = loop.digest();
    if (comm.rank() == 0) out = digest;
  });
  return out;
}

TEST(ClosureStep, HasTheSameBitsOnAnyRanks) {
  const std::vector<Case> cases{{"wolfe", kWolfe},
                                {"fixed", kFixed},
                                {"bf16", kWolfe, DType::bf16},
                                {"conv", kWolfe, std::nullopt, make<ConvTask>()}};
  for (const Case& row : cases) {
    std::string expected = digest_of(1, Strategy::ddp, row);
    for (Strategy strategy : kStrategies) {
      for (int ranks : {2, 3}) {
        if (row.name != "wolfe" && (ranks == 2 || strategy == Strategy::zero2)) continue;
        EXPECT_EQ(digest_of(ranks, strategy, row), expected)
            << row.name << " " << name(strategy) << " on " << ranks;
      }
    }
  }
}

// With dropout: the same is left out in all evaluations of a step, or a search would find no way
// down but by luck.
TEST(ClosureStep, AsksForTheSameLossAllAlong) {
  auto comm = make_self_communicator();
  manual_seed(7);
  Loop loop(*comm, Strategy::ddp, kWolfe, {}, [] { return std::make_unique<GptTask>(0.2); });
  std::map<std::pair<int64_t, int64_t>, std::vector<double>> losses;  // of step and leaf
  for (int i = 0; i < 3; ++i) {
    loop.step.run(1, [&](Leaf leaf) {
      nn::Loss loss = loop.task->loss(leaf);
      losses[{leaf.step, leaf.index}].push_back(loss.sum.item<double>());
      return loss;
    });
  }
  for (int64_t step = 0; step < 3; ++step) {
    double first = 0;
    double last = 0;
    for (int64_t leaf = 0; leaf < 5; ++leaf) {
      EXPECT_GT((losses[{step, leaf}].size()), 2U);
      first += losses[{step, leaf}].front();
      last += losses[{step, leaf}].back();
    }
    EXPECT_LT(last, first) << step;
  }
}

TEST(ClosureStep, GoesOnFromWhatIsHeld) {
  auto comm = make_self_communicator();
  for (const auto& rule : {kWolfe, kFixed}) {
    manual_seed(7);
    Loop whole(*comm, Strategy::ddp, rule);
    for (int i = 0; i < 6; ++i) whole.run();
    manual_seed(7);
    Loop first(*comm, Strategy::ddp, rule);
    for (int i = 0; i < 3; ++i) first.run();
    std::map<std::string, Array> held;
    for (const HeldTensor& tensor : first.step.held()) {
      held.emplace(tensor.name, tensor.data.clone());
    }
    EXPECT_TRUE(held.contains("s.1/ln_f.weight") && held.contains("last_grad/ln_f.weight"));
    manual_seed(8);
    Loop second(*comm, Strategy::ddp, rule);
    for (const HeldTensor& tensor : second.step.held()) tensor.data.copy_(held.at(tensor.name));
    second.step.restored(3);
    for (int i = 0; i < 3; ++i) second.run();
    EXPECT_EQ(second.digest(), whole.digest());
  }
}

// A loss that is not finite beyond the first evaluation of a step, or at once.
TEST(ClosureStep, EndsWhereAllWasFinite) {
  for (int good : {0, 1}) {
    for (Strategy strategy : {Strategy::zero1, Strategy::zero3}) {
      run_ranks(2, [&](Communicator& comm) {
        manual_seed(7);
        Loop loop(comm, strategy, kWolfe);
        std::string before = loop.digest();
        int evaluation = 0;
        std::optional<int64_t> first;  // leaf of this rank, however they are dealt
        StepResult result = loop.step.run(0.5, [&](Leaf leaf) {
          if (leaf.index == first.value_or(leaf.index)) ++evaluation;
          if (!first) first = leaf.index;
          nn::Loss loss = loop.task->loss(leaf);
          double factor = evaluation > good ? std::numeric_limits<double>::quiet_NaN() : 1;
          return nn::Loss{loss.sum * factor, loss.weight};
        });
        EXPECT_FALSE(result.finite()) << name(strategy);
        EXPECT_EQ(loop.step.updates_done(), 0);
        EXPECT_EQ(loop.step.steps_done(), 1);
        EXPECT_EQ(loop.digest(), before) << name(strategy) << " " << good;
        EXPECT_TRUE(loop.run().finite());
      });
    }
  }
}

// What a rank updates is where it was, whoever threw; after an error of all ranks everything is.
TEST(ClosureStep, LeavesTheParametersWhereALossThrows) {
  for (bool shared : {false, true}) {
    for (Strategy strategy : kStrategies) {
      run_ranks(2, [&](Communicator& comm) {
        manual_seed(7);
        Loop loop(comm, strategy, kWolfe, DType::bf16);
        loop.run();
        std::vector<Array> before = masters_of(loop.step);
        std::string digest = loop.digest();
        int evaluation = 0;
        std::optional<int64_t> first;
        auto loss = [&](Leaf leaf) {
          if (leaf.index == first.value_or(leaf.index)) ++evaluation;
          if (!first) first = leaf.index;
          nn::Loss loss = loop.task->loss(leaf);
          if (evaluation > 1 && shared) loss.weight = 0;  // which all ranks are told
          if (evaluation > 1 && !shared) throw Error("no such leaf");
          return loss;
        };
        EXPECT_TRUE(contains(error_of([&] { loop.step.run(0.5, loss); }),
                             shared ? "have no weight" : "no such leaf"));
        std::vector<Array> after = masters_of(loop.step);
        for (size_t i = 0; i < before.size(); ++i) {
          EXPECT_TRUE(same_bits(after[i], before[i])) << name(strategy) << " " << shared;
        }
        if (!shared) return;
        EXPECT_EQ(loop.digest(), digest) << name(strategy);
        EXPECT_TRUE(loop.run().finite());
      });
    }
  }
}

TEST(ClosureStep, MistakesAreNamed) {
  auto comm = make_self_communicator();
  GptTask task;
  optim::Lbfgs optimizer(optim::groups_of(task.model, {}), kWolfe);
  Mesh mesh(*comm, {});
  EXPECT_TRUE(contains(error_of([&] { TrainStep(task.model, optimizer, mesh, {.clip_norm = 1}); }),
                       "expected no clip_value and no clip_norm"));
  auto loss = [&](Leaf leaf) { return task.loss(leaf); };
  {
    TrainStep step(task.model, optimizer, mesh, {});
    EXPECT_TRUE(contains(error_of([&] { step.apply(0.1, step.accumulate(loss)); }),
                         "[Lbfgs] it asks for the loss several times in a step"));
  }
  optim::Ema averaged(optimizer, 0.9);
  TrainStep step(task.model, averaged, mesh, {});
  EXPECT_TRUE(contains(error_of([&] { step.run(0.1, loss); }), "in no average of another rule"));
}

}  // namespace
}  // namespace tessera::test
