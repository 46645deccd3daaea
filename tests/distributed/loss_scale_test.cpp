// Losses that are scaled before backward: the scale, and what training steps make of it.
#include "distributed/loss_scale.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/io/safetensors.h"
#include "distributed/checkpoint/checkpointer.h"
#include "tests/distributed/outcome.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {
namespace {

// ------------------------------------------------------------------------------------- the scale

class Golden {
 public:
  Golden() {
    for (auto& [name, array] :
         load_safetensors(TESSERA_GOLDEN_DIR "/training/loss_scale.safetensors").tensors) {
      rows_.emplace(name, doubles(array));
    }
  }
  const std::vector<double>& row(const std::string& name) const { return rows_.at(name); }
  LossScaleOptions options(const std::string& name) const {
    const std::vector<double>& o = row(name + ".options");
    return {.init_scale = o[0],
            .growth_factor = o[1],
            .backoff_factor = o[2],
            .growth_interval = static_cast<int64_t>(o[3])};
  }

 private:
  std::map<std::string, std::vector<double>> rows_;
};

constexpr const char* kCases[] = {"defaults", "short", "rounded", "always", "infinite"};

TEST(LossScale, FollowsGradScaler) {
  Golden golden;
  for (const std::string name : kCases) {
    LossScale scale(golden.options(name));
    const std::vector<double>& finite = golden.row(name + ".finite");
    for (size_t i = 0; i < finite.size(); ++i) {
      scale.update(finite[i] != 0);
      ASSERT_EQ(scale.state().scale, golden.row(name + ".scales")[i]) << name << " " << i;
      ASSERT_EQ(static_cast<double>(scale.state().growth_tracker),
                golden.row(name + ".trackers")[i])
          << name << " " << i;
    }
  }
  // What other factors would show.
  LossScaleOptions other = golden.options("rounded");
  other.backoff_factor = std::nextafter(other.backoff_factor, 1.0) + 1e-6;
  LossScale scale(other);
  for (double finite : golden.row("rounded.finite")) scale.update(finite != 0);
  EXPECT_NE(scale.state().scale, golden.row("rounded.scales").back());
}

TEST(LossScale, ScalesTheMeanByAPowerOfTwo) {
  LossScale scale({.init_scale = 1000});
  const std::pair<double, double> all[] = {{1, 1000},    {2, 500},        {3, 250},
                                           {4, 250},     {512, 1.953125}, {0.5, 2000},
                                           {0.75, 1000}, {0, 1000},       {HUGE_VAL, 1000}};
  for (auto [weight, expected] : all) EXPECT_EQ(scale.of_sum(weight), expected) << weight;
}

TEST(LossScale, StaysWhereItIsConstantOrHasNoRoom) {
  LossScale constant({.init_scale = 8, .growth_interval = 1, .constant = true});
  LossScale low({.init_scale = 1e-37});
  for (int i = 0; i < 20; ++i) {
    constant.update(i % 3 == 0);
    low.update(false);
  }
  EXPECT_EQ(constant.state(), (LossScaleState{8, 0}));
  constant.restore({4, 1});
  EXPECT_EQ(constant.state(), (LossScaleState{8, 0}));
  EXPECT_GT(static_cast<float>(low.state().scale), 0);
}

TEST(LossScale, RefusesWhatCannotBe) {
  auto error = [](LossScaleOptions options) { return error_of([&] { LossScale scale(options); }); };
  for (double init : {0.0, -1.0, 1e39, 1e-45, std::nan("")}) {
    EXPECT_TRUE(contains(error({.init_scale = init}), "a loss scale above 0")) << init;
  }
  for (double growth : {1.0, 0.5, HUGE_VAL}) {
    EXPECT_TRUE(contains(error({.growth_factor = growth}), "a growth_factor above 1"));
  }
  for (double backoff : {0.0, 1.0, -1.0}) {
    EXPECT_TRUE(contains(error({.backoff_factor = backoff}), "between 0 and 1"));
  }
  EXPECT_TRUE(contains(error({.growth_interval = 0}), "a growth_interval of at least 1, got 0"));
  LossScale scale({});
  for (LossScaleState state :
       {LossScaleState{0, 1}, LossScaleState{HUGE_VAL, 1}, LossScaleState{1, -1}}) {
    EXPECT_NE(error_of([&] { scale.restore(state); }), "");
  }
  EXPECT_EQ(scale.state(), (LossScaleState{65536, 0}));
}

// -------------------------------------------------------------------------------- training steps

// One weight, whose gradient is 1/3 times what a step says.
struct OneWeight {
  struct Net : nn::Module {
    Tensor w = add_parameter("w", {1}, nn::Init::constant(1));
  } net;
  nn::Loss loss(double factor = 1) const { return {sum(net.w / 3) * factor, 1}; }
};

TEST(ScaledStep, SkipsAndTrainsAsInPyTorch) {
  Golden golden;
  for (const std::string name : kCases) {
    auto comm = make_self_communicator();
    OneWeight task;
    optim::Sgd optimizer({{{task.net.w}}}, {});
    Mesh mesh(*comm);
    TrainStep step(task.net, optimizer, mesh, {.loss_scale = golden.options(name)});
    const std::vector<double>& finite = golden.row(name + ".finite");
    double before = golden.options(name).init_scale;
    for (size_t i = 0; i < finite.size(); ++i) {
      StepResult result =
          step.run(0.5, [&](Leaf) { return task.loss(finite[i] != 0 ? 1 : HUGE_VAL); });
      EXPECT_EQ(result.skipped(), finite[i] == 0);
      EXPECT_EQ(result.loss_scale(), before);
      before = golden.row(name + ".scales")[i];
      ASSERT_EQ(step.loss_scale()->scale, before) << name << " " << i;
      // PyTorch divides by 3 in another order.
      ASSERT_NEAR(doubles(task.net.w.data())[0], golden.row(name + ".weights")[i],
                  1e-5 * (1 + std::abs(golden.row(name + ".weights")[i])))
          << name << " " << i;
    }
  }
}

TEST(ScaledStep, LeavesF32AsItIsByPowersOfTwo) {
  for (const MakeTask& make_task : {make<GptTask>(), make<ConvTask>()}) {
    StepOptions options{.leaves = 5, .clip_norm = 0.05};
    Outcome expected = train_alone(make_task, options);
    options.loss_scale = LossScaleOptions{.init_scale = 4096, .growth_interval = 1};
    expect_same(train_alone(make_task, options), expected, "scaled by powers of two");
    options.loss_scale->init_scale = 1000;
    Outcome other = train_alone(make_task, options);
    EXPECT_FALSE(same_bits(other.weights[0].second, expected.weights[0].second));
  }
}

// Gradients that the scale brings into the range of f16, and none without it.
TEST(ScaledStep, KeepsSmallGradientsInF16) {
  auto norm = [](std::optional<LossScaleOptions> scale) {
    auto comm = make_self_communicator();
    OneWeight task;
    optim::Sgd optimizer({{{task.net.w}}}, {});
    Mesh mesh(*comm);
    TrainStep step(task.net, optimizer, mesh, {.dtype = DType::f16, .loss_scale = scale});
    StepResult result = step.run(0.5, [&](Leaf) {
      return nn::Loss{sum(to(task.net.w * 1e-4, DType::f32)) * 1e-6, 1};
    });
    EXPECT_TRUE(result.finite());
    return result.grad_norm();
  };
  EXPECT_EQ(norm({}), 0);
  EXPECT_NEAR(norm(LossScaleOptions{}), 1e-10, 1e-12);
}

TEST(ScaledStep, GivesItsGradientsUnscaledBetweenItsHalves) {
  auto sums = [](std::optional<LossScaleOptions> scale) {
    auto comm = make_self_communicator();
    manual_seed(7);
    GptTask task;
    auto optimizer = adamw_of(task.module());
    Mesh mesh(*comm);
    TrainStep step(task.module(), optimizer, mesh, {.leaves = 3, .loss_scale = scale});
    StepGradients gradients = step.accumulate([&](Leaf leaf) { return task.loss(leaf); });
    EXPECT_EQ(gradients.loss_scale, scale ? std::optional(65536.0) : std::nullopt);
    std::vector<Array> out;
    for (const Array& sum : gradients.sums) out.push_back(sum.clone());
    step.skip(gradients);
    if (scale) {
      EXPECT_EQ(step.loss_scale(), (LossScaleState{65536, 0}));
    }
    return out;
  };
  std::vector<Array> plain = sums({});
  std::vector<Array> scaled = sums(LossScaleOptions{});
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(same_bits(scaled[i], plain[i]));
}

// What a rank has of the state, copied.
std::vector<Array> state_of(const TrainStep& step) {
  std::vector<Array> out;
  for (const HeldTensor& held : step.held()) out.push_back(held.data.clone());
  return out;
}

// So high a scale that a step overflows, and so short an interval that others do later.
constexpr LossScaleOptions kOverflows{.init_scale = 16777216, .growth_interval = 2};

class F16Loop {
 public:
  F16Loop(Communicator& comm, const MakeTask& make_task, Strategy strategy, double clip = 0.5)
      : mesh_(comm, shape_of(strategy, comm.size())) {
    manual_seed(7);
    task_ = make_task();
    optimizer_.emplace(adamw_of(task_->module()));
    step_.emplace(task_->module(), *optimizer_, mesh_,
                  StepOptions{.leaves = 5,
                              .clip_norm = clip,
                              .strategy = strategy,
                              .bucket_bytes = 4096,
                              .dtype = DType::f16,
                              .loss_scale = kOverflows});
  }
  StepResult run() {
    return step_->run(0.01, [&](Leaf leaf) { return task_->loss(leaf); });
  }
  TrainStep& step() { return *step_; }

 private:
  Mesh mesh_;
  std::unique_ptr<Task> task_;
  std::optional<optim::AdamW> optimizer_;
  std::optional<TrainStep> step_;
};

TEST(ScaledStep, ThatOverflowsChangesNothing) {
  for (const MakeTask& make_task : {make<GptTask>(), make<ConvTask>()}) {
    auto comm = make_self_communicator();
    F16Loop loop(*comm, make_task, Strategy::ddp);
    int64_t skipped = 0;
    for (int i = 0; i < 20; ++i) {
      std::vector<Array> before = state_of(loop.step());
      double scale = loop.step().loss_scale()->scale;
      StepResult result = loop.run();
      EXPECT_EQ(result.loss_scale(), scale);
      if (!result.skipped()) continue;
      ++skipped;
      EXPECT_FALSE(result.finite());
      EXPECT_TRUE(std::isfinite(result.loss())) << "the gradient alone overflows";
      EXPECT_EQ(loop.step().loss_scale(), (LossScaleState{scale / 2, 0}));
      std::vector<Array> after = state_of(loop.step());
      for (size_t t = 0; t < after.size(); ++t) EXPECT_TRUE(same_bits(after[t], before[t]));
    }
    EXPECT_GE(skipped, 3);
    EXPECT_LE(skipped, 15);
    EXPECT_EQ(loop.step().steps_done(), 20);
    EXPECT_EQ(loop.step().updates_done(), 20 - skipped);
  }
}

// What a loop ends with.
struct End {
  nn::StateDict weights;
  LossScaleState scale;
  int64_t updates;
};

End end_of(F16Loop& loop, int steps) {
  for (int i = 0; i < steps; ++i) loop.run();
  End end{{}, *loop.step().loss_scale(), loop.step().updates_done()};
  for (const auto& [name, value] : loop.step().state()) {
    end.weights.emplace_back(name, value.clone());
  }
  return end;
}

void expect_same_end(const End& a, const End& b, const std::string& what) {
  EXPECT_EQ(a.scale, b.scale) << what;
  EXPECT_EQ(a.updates, b.updates) << what;
  for (size_t i = 0; i < a.weights.size(); ++i) {
    EXPECT_TRUE(same_bits(a.weights[i].second, b.weights[i].second))
        << a.weights[i].first << ", " << what;
  }
}

TEST(ScaledStep, GivesTheSameBitsUnderAnyStrategyAndRanks) {
  for (int world : {2, 3}) {
    MakeTask make_task = world == 2 ? make<GptTask>() : make<ConvTask>();
    auto comm = make_self_communicator();
    F16Loop alone(*comm, make_task, Strategy::ddp);
    End expected = end_of(alone, 10);
    EXPECT_GT(expected.updates, 0);
    EXPECT_LT(expected.updates, 10);
    for (Strategy strategy : kStrategies) {
      run_ranks(
          world,
          [&](Communicator& ranks) {
            F16Loop loop(ranks, make_task, strategy);
            expect_same_end(end_of(loop, 10), expected,
                            fmt::format("{} of {}", name(strategy), world));
          },
          world == 2 ? 3 : 1);
    }
  }
}

TEST(ScaledStep, GoesOnWithItsScale) {
  auto go_on = [](std::optional<LossScaleState> from) {
    auto comm = make_self_communicator();
    F16Loop loop(*comm, make<GptTask>(), Strategy::ddp);
    for (int i = 0; i < 5; ++i) loop.run();
    if (from) loop.step().restored(5, loop.step().updates_done(), from);
    else loop.step().restored(5, loop.step().updates_done());
    return end_of(loop, 5).scale;
  };
  auto comm = make_self_communicator();
  F16Loop whole(*comm, make<GptTask>(), Strategy::ddp);
  LossScaleState middle = end_of(whole, 5).scale;
  LossScaleState end = end_of(whole, 5).scale;
  EXPECT_EQ(go_on(middle), end);
  EXPECT_NE(go_on({}), end) << "from the beginning";
  EXPECT_NE(error_of([&] { go_on(LossScaleState{-1, 0}); }), "");
}

TEST(ScaledStep, GoesOnFromACheckpointOrASnapshotUnderOtherRanks) {
  auto comm = make_self_communicator();
  F16Loop whole(*comm, make<GptTask>(), Strategy::ddp);
  End expected = end_of(whole, 16);
  for (bool memory : {false, true}) {
    TempDir place;
    CheckpointerOptions options{.every = memory ? 0 : 8};
    if (memory) options.snapshots = {.folder = place / "memory"};
    auto run = [&](int world, Strategy strategy, int64_t from, int64_t to) {
      run_ranks(world, [&](Communicator& ranks) {
        F16Loop loop(ranks, make<GptTask>(), strategy);
        Checkpointer checkpoints(loop.step(), place / "checkpoints", options);
        EXPECT_EQ(checkpoints.resume_latest().step, from);
        while (loop.step().steps_done() < to) {
          loop.run();
          checkpoints.after_step({});
        }
        if (to == 16) expect_same_end(end_of(loop, 0), expected, memory ? "memory" : "disk");
      });
    };
    run(2, Strategy::zero3, 0, 8);
    run(3, Strategy::zero2, 8, 16);
  }
}

// A step that was skipped does not show that what it began with was good.
TEST(ScaledStep, ThatWasSkippedRemovesNoCheckpoint) {
  TempDir place;
  auto comm = make_self_communicator();
  F16Loop loop(*comm, make<GptTask>(), Strategy::ddp);
  Checkpointer checkpoints(loop.step(), place / "checkpoints",
                           {.every = 2, .keep = 1, .background = false});
  auto kept = [&] { return static_cast<int64_t>(checkpoints.folder().steps().size()); };
  while (loop.run().skipped()) {
    checkpoints.after_step({});
    EXPECT_EQ(kept(), std::min<int64_t>(loop.step().steps_done() / 2, 2));
  }
  ASSERT_EQ(loop.step().steps_done() % 2, 1) << "a step that saves nothing";
  EXPECT_EQ(kept(), 2);
  checkpoints.after_step({});
  checkpoints.wait();
  EXPECT_EQ(kept(), 1);
}

TEST(ScaledStep, NamesRanksThatGoOnWithAnotherScale) {
  run_ranks(2, [&](Communicator& comm) {
    F16Loop loop(comm, make<GptTask>(), Strategy::zero2);
    EXPECT_TRUE(contains(error_of([&] {
                           loop.step().restored(4, 4, LossScaleState{8.0 + comm.rank(), 1});
                         }),
                         "the loss scale"));
  });
}

}  // namespace
}  // namespace tessera::test
