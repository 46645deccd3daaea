#include "distributed/train_step.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "distributed/comm/fake_communicator.h"
#include "nn/block.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "tests/distributed/outcome.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::adamw_of;
using test::close_to;
using test::contains;
using test::doubles;
using test::DropoutTask;
using test::error_of;
using test::GptTask;
using test::kLr;
using test::kStrategies;
using test::make;
using test::Outcome;
using test::random_array;
using test::run_ranks;
using test::same_bits;
using test::Task;
using test::train_alone;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One parameter w, whose gradient in leaf i is coefficient(i).
struct LinearTask : Task {
  struct Net : nn::Module {
    Tensor w = add_parameter("w", {4}, nn::Init::constant(1));
  } net;
  std::function<double(Leaf)> coefficient;
  double weight = 1;

  explicit LinearTask(std::function<double(Leaf)> fn) : coefficient(std::move(fn)) {}
  nn::Module& module() override { return net; }
  nn::Loss loss(Leaf leaf) override { return {sum(net.w * coefficient(leaf)), weight}; }
};

// Each leaf's moments weigh by its values, and the whole batch moves the statistics once.
TEST(TrainStep, MovesRunningStatisticsOnceAStep) {
  struct Net : nn::Module {
    nn::BatchNorm1d norm{this, "norm", 2};
  } net;
  auto optimizer = adamw_of(net);
  auto comm = make_self_communicator();
  Mesh mesh(*comm);
  TrainStep step(net, optimizer, mesh, {.leaves = 2});
  const Array first = Array::from<float>({1, 2, 3, 6, 5, 4}, {3, 2});
  const Array second = Array::from<float>({9, 1, 11, 3}, {2, 2});
  step.run(kLr, [&](Leaf leaf) {
    return nn::Loss{sum(net.norm(Tensor(leaf.index == 0 ? first : second))), 1};
  });
  // Means 3, 4 of three rows and 10, 2 of two; unbiased variances 4, 4 and 2, 2.
  EXPECT_TRUE(close_to(doubles(net.norm.running_mean.data()),
                       {0.1 * (9 + 20) / 5, 0.1 * (12 + 4) / 5}, 1e-6, 1e-6));
  EXPECT_TRUE(close_to(doubles(net.norm.running_var.data()),
                       {0.9 + 0.1 * (12 + 4) / 5, 0.9 + 0.1 * (12 + 4) / 5}, 1e-6, 1e-6));
  EXPECT_EQ(net.norm.num_batches_tracked.item<int64_t>(), 1);
  // Outside of a step at once.
  net.norm(Tensor(first));
  EXPECT_EQ(net.norm.num_batches_tracked.item<int64_t>(), 2);
}

TEST(TrainStep, RefusesARunningStatisticThatIsNotTheModels) {
  LinearTask task([](Leaf) { return 1.0; });
  auto optimizer = adamw_of(task.net);
  auto comm = make_self_communicator();
  Mesh mesh(*comm);
  TrainStep step(task.net, optimizer, mesh, {.leaves = 1});
  struct Net : nn::Module {
    nn::BatchNorm1d norm{this, "norm", 2};
  } stray;
  Tensor x(random_array({3, 2}, DType::f32, 1));
  EXPECT_EQ(error_of([&] {
              step.run(kLr, [&](Leaf leaf) {
                stray.norm(x);
                return task.loss(leaf);
              });
            }),
            "[TrainStep] a running statistic moved that is no buffer of the model");
}

TEST(TrainStep, SeedsTheRandomNumbersOfLeaves) {
  Outcome one = train_alone(make<DropoutTask>(), {.leaves = 2, .seed = 1});
  Outcome other = train_alone(make<DropoutTask>(), {.leaves = 2, .seed = 2});
  EXPECT_NE(one.steps[0].loss(), other.steps[0].loss());
}

// One step of a LinearTask by itself.
struct OneStep {
  std::unique_ptr<Communicator> comm = make_self_communicator();
  Mesh mesh{*comm};
  LinearTask task;
  optim::AdamW optimizer{{{{task.net.w}}}, {.beta1 = 0, .beta2 = 0, .eps = 1}};
  TrainStep step;

  OneStep(std::function<double(Leaf)> coefficient, const StepOptions& options)
      : task(std::move(coefficient)), step(task.net, optimizer, mesh, options) {}
  StepResult run(bool stop = false) {
    return step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }, {.stop_requested = stop});
  }
  double w() const { return doubles(task.net.w.data())[0]; }
};

TEST(TrainStep, DividesByTheWeightAndClips) {
  // Gradients of 1 + 2 + 3 = 6 over a weight of 3 * 2: 1 in each of 4 elements, a norm of 2.
  auto coefficient = [](Leaf leaf) { return static_cast<double>(leaf.index + 1); };
  // Without moments the step is lr g / (|g| + 1).
  for (double clip : {0.0, 5.0, 1.0}) {
    OneStep one(coefficient, {.leaves = 3, .clip_norm = clip});
    one.task.weight = 2;
    StepResult result = one.run();
    EXPECT_NEAR(result.loss(), 4, 1e-6);
    EXPECT_EQ(result.weight(), 6);
    EXPECT_NEAR(result.grad_norm(), 2, 1e-6);
    double g = clip == 1 ? 0.5 : 1;
    EXPECT_NEAR(one.w(), 1 - kLr * g / (g + 1), 1e-6) << clip;
  }
}

TEST(TrainStep, CountsSteps) {
  std::vector<int64_t> steps;
  OneStep one([&](Leaf leaf) { return steps.push_back(leaf.step), 1.0; }, {.leaves = 2});
  one.run();
  one.run();
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 0, 1, 1}));
  EXPECT_EQ(one.step.steps_done(), 2);
}

// Whether bad in any leaf, in the loss or in the gradient alone, all ranks skip the update.
TEST(TrainStep, UpdatesNothingWhenNotFinite) {
  for (double bad : {std::nan(""), kInfinity, -kInfinity}) {
    for (bool in_gradient_only : {false, true}) {
      run_ranks(3, [&](Communicator& comm) {
        LinearTask task([&](Leaf leaf) { return leaf.index == 3 && leaf.step == 0 ? bad : 1; });
        optim::AdamW optimizer({{{task.net.w}, 0.5}}, {});
        Mesh mesh(comm);
        TrainStep step(task.net, optimizer, mesh, {.leaves = 5, .clip_norm = 1});
        Array before = task.net.w.data().clone();
        auto loss = [&](Leaf leaf) {
          nn::Loss out = task.loss(leaf);
          if (in_gradient_only) {
            // The loss itself is 4.
            out.sum = sum(task.net.w);
            out.sum.register_hook(
                [&, leaf](const Tensor& dy) { return dy * task.coefficient(leaf); });
          }
          return out;
        };
        StepResult result = step.run(kLr, loss);
        EXPECT_FALSE(result.finite());
        EXPECT_EQ(std::isfinite(result.loss()), in_gradient_only);
        EXPECT_TRUE(same_bits(task.net.w.data(), before));
        // The optimizer's state has not been touched either.
        result = step.run(kLr, loss);
        EXPECT_TRUE(result.finite());
        EXPECT_FALSE(same_bits(task.net.w.data(), before));
        for (double w : doubles(task.net.w.data())) EXPECT_TRUE(std::isfinite(w));
      });
    }
  }
}

// By hand: the first step that updates moves w by lr.
TEST(TrainStep, SkippedStepsAreNoneOfTheOptimizers) {
  for (int skipped : {0, 1, 3}) {
    auto comm = make_self_communicator();
    LinearTask task([&](Leaf leaf) { return leaf.step < skipped ? std::nan("") : 1; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    Mesh mesh(*comm);
    TrainStep step(task.net, optimizer, mesh, {.leaves = 1});
    auto loss = [&](Leaf leaf) { return task.loss(leaf); };
    for (int i = 0; i < skipped; ++i) EXPECT_FALSE(step.run(0.1, loss).finite());
    EXPECT_EQ(step.updates_done(), 0);
    EXPECT_TRUE(step.run(0.1, loss).finite());
    EXPECT_EQ(step.steps_done(), skipped + 1);
    EXPECT_EQ(step.updates_done(), 1);
    EXPECT_NEAR(doubles(task.net.w.data())[0], 0.9, 1e-6) << skipped;
  }
}

TEST(TrainStep, SkippedStepsAreNoneOfTheAverages) {
  auto comm = make_self_communicator();
  LinearTask task([](Leaf leaf) { return leaf.step == 0 ? kInfinity : 1; });
  optim::Ema optimizer(optim::AdamW({{{task.net.w}}}, {}), 0.75);
  Mesh mesh(*comm);
  TrainStep step(task.net, optimizer, mesh, {.leaves = 1});
  for (int i = 0; i < 2; ++i) step.run(0.1, [&](Leaf leaf) { return task.loss(leaf); });
  // From 1, where it was before the first update, a quarter of the way to 0.9.
  EXPECT_NEAR(doubles(step.buckets()[0].state.back())[0], 0.975, 1e-6);
}

TEST(TrainStep, GoesOnWithTheUpdatesThatWereDone) {
  auto weight_after = [](std::optional<int64_t> updates) {
    auto comm = make_self_communicator();
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    Mesh mesh(*comm);
    TrainStep step(task.net, optimizer, mesh, {.leaves = 1});
    step.restored(5, updates);
    EXPECT_EQ(step.updates_done(), updates.value_or(5));
    step.run(0.1, [&](Leaf leaf) { return task.loss(leaf); });
    return doubles(task.net.w.data())[0];
  };
  // With fresh moments, the correction for the first step is right if no step updated.
  EXPECT_NEAR(weight_after(0), 0.9, 1e-6);
  EXPECT_NE(weight_after(5), weight_after(0));
  EXPECT_EQ(weight_after({}), weight_after(5));
  EXPECT_TRUE(
      contains(error_of([&] { weight_after(6); }), "expected from 0 updates to one a step"));
}

TEST(TrainStep, NamesAParameterThatIsNotFiniteAnyMore) {
  for (Strategy strategy : kStrategies) {
    run_ranks(2, [&](Communicator& comm) {
      struct Net : nn::Module {
        nn::Linear a{this, "a", 30, 30};
        nn::Linear b{this, "b", 30, 30};
        Net() {
          a.make_block();
          b.make_block();
        }
      } net;
      auto optimizer = adamw_of(net);
      StepOptions options{.leaves = 2, .strategy = strategy};
      Mesh mesh(comm, test::shape_of(strategy, 2));
      TrainStep step(net, optimizer, mesh, options);
      EXPECT_EQ(step.nonfinite_parameter(), "");
      // On the last rank alone that has it.
      for (const HeldTensor& held : step.held()) {
        if (held.name != "b.weight" || held.held.end != 900) continue;
        held.data.select(0, held.data.numel() - 1).fill_(kInfinity);
      }
      EXPECT_EQ(step.nonfinite_parameter(), "b.weight") << name(strategy);
    });
  }
}

TEST(TrainStep, LeavesFrozenParametersAsTheyAre) {
  for (Strategy strategy : kStrategies) {
    run_ranks(2, [&](Communicator& comm) {
      GptTask task;
      auto optimizer = adamw_of(task.model);
      Tensor frozen = task.model.parameters()[1];
      frozen.set_requires_grad(false);
      Array before = frozen.data().clone();
      StepOptions options{.leaves = 2, .strategy = strategy};
      Mesh mesh(comm, test::shape_of(strategy, 2));
      TrainStep step(task.model, optimizer, mesh, options);
      step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); });
      EXPECT_TRUE(same_bits(step.state()[1].second, before)) << name(strategy);
      std::string name = task.model.named_parameters()[1].first;
      for (const HeldTensor& held : step.held()) {
        EXPECT_FALSE(held.name.ends_with("/" + name)) << held.name;
      }
    });
  }
}

TEST(TrainStep, RefusesARateThatIsNotFinite) {
  OneStep one([](Leaf) { return 1.0; }, {.leaves = 1});
  for (double lr : {std::nan(""), kInfinity}) {
    EXPECT_TRUE(contains(
        error_of([&] { one.step.run(lr, [&](Leaf leaf) { return one.task.loss(leaf); }); }),
        "[TrainStep] expected a finite learning rate"));
  }
}

TEST(TrainStep, RefusesEvaluationsWithoutWeight) {
  OneStep one([](Leaf) { return 1.0; }, {.leaves = 1});
  EXPECT_TRUE(contains(error_of([&] {
                         one.step.evaluate(2, [&](int64_t) {
                           return nn::Loss{Tensor(Array::zeros({})), 0};
                         });
                       }),
                       "[TrainStep] the losses of an evaluation have no weight"));
}

TEST(TrainStep, EvaluatesSeveralSumsAtOnce) {
  OneStep one([](Leaf) { return 1.0; }, {.leaves = 1});
  manual_seed(3);
  double drawn = rand({}).item<double>();
  manual_seed(3);
  auto means = [&](size_t num_sums) {
    return one.step.evaluate(3, num_sums, [&](int64_t batch) -> std::vector<nn::Loss> {
      if (batch == 2) return {{}, {}, {}};  // nothing there
      Tensor value = full({}, static_cast<double>(batch) + 1);
      return {{value, 1}, {rand({}), 2}, {value, 0}};
    });
  };
  std::vector<double> first = means(3);
  EXPECT_EQ(first[0], 1.5);
  EXPECT_TRUE(std::isnan(first[2]));
  // Random numbers are those of the batch, and nobody else's.
  EXPECT_EQ(means(3)[1], first[1]);
  EXPECT_EQ(rand({}).item<double>(), drawn);
  EXPECT_TRUE(
      contains(error_of([&] { means(2); }), "[TrainStep] expected 2 sums of a batch, got 3"));
}

// An optimizer of one's own, which reads how gradients are scaled, and, if asked, what they are.
class Reading final : public optim::UpdateRule {
 public:
  explicit Reading(bool gradients) : gradients_(gradients) {}
  optim::Cut cut() const override { return optim::Cut::anywhere; }
  std::vector<optim::StateInfo> states(const Dims&) const override { return {}; }
  std::string describe() const override { return "reading"; }
  void update(const optim::Slice& slice, const Array& grad_scale,
              const optim::UpdateStep& step) const override {
    NoGrad no_grad;
    double scale = grad_scale.item<double>();
    if (gradients_) scale /= 1 + slice.grad.to_vector<float>()[0];
    sub_(Tensor(slice.param), Tensor(slice.grad) * (step.lr * scale));
  }

 private:
  bool gradients_;
};

TEST(TrainStep, OnMetaAnOptimizerMayReadTheScale) {
  constexpr Device kMeta{DeviceType::meta};
  for (bool gradients : {false, true}) {
    std::optional<nn::DeferInit> defer(std::in_place);
    GptTask task;
    defer.reset();
    FakeCommunicator comm(0, 2, kMeta);
    optim::Optimizer optimizer({{task.model.parameters()}}, std::make_shared<Reading>(gradients));
    Mesh mesh(comm, {}, &comm);
    TrainStep step(task.model, optimizer, mesh, {.leaves = 2});
    Array tokens = Array::empty({2, 8}, DType::i64, kMeta);
    step.run(1, [&](Leaf) { return task.model.loss({.tokens = tokens, .targets = tokens}); });
    EXPECT_EQ(step.update_left_out(), gradients ? "an array on meta has no elements" : "");
  }
}

struct LeafFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TEST(TrainStep, ALeafThatThrowsFailsAllRanksAtOnce) {
  auto start = std::chrono::steady_clock::now();
  run_ranks(4, [](Communicator& comm) {
    LinearTask task([](Leaf leaf) {
      if (leaf.index == 5) throw LeafFailed("leaf 5 is bad");
      return 1.0;
    });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    Mesh mesh(comm);
    TrainStep step(task.net, optimizer, mesh, {.leaves = 8});
    auto run = [&] { step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }); };
    Array before = task.net.w.data().clone();
    if (comm.rank() == 2) {
      EXPECT_THROW(run(), LeafFailed);
    } else {
      EXPECT_TRUE(contains(error_of(run), "aborted by rank 2: leaf 5 is bad"));
    }
    EXPECT_TRUE(same_bits(task.net.w.data(), before));
    // It stays failed.
    EXPECT_TRUE(contains(error_of([&] {
                           step.run(kLr, [&](Leaf) { return nn::Loss{sum(task.net.w), 1}; });
                         }),
                         "aborted by rank 2: leaf 5 is bad"));
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

// Failed communication inside a leaf is another communicator's; the step's own must hear of it.
TEST(TrainStep, ALeafWhoseCommunicationFailsFailsAllRanksAtOnce) {
  auto start = std::chrono::steady_clock::now();
  run_ranks(2, [](Communicator& comm) {
    LinearTask task([&](Leaf leaf) -> double {
      if (leaf.index == 0) throw CommError("send", 3, 0, 1, "the other cluster is gone");
      return 1;
    });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    Mesh mesh(comm);
    TrainStep step(task.net, optimizer, mesh, {.leaves = 2});
    EXPECT_TRUE(
        contains(error_of([&] { step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }); }),
                 "the other cluster is gone"));
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(TrainStep, OneRanksStopReachesAll) {
  run_ranks(4, [](Communicator& comm) {
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    Mesh mesh(comm);
    TrainStep step(task.net, optimizer, mesh, {.leaves = 6});
    for (bool wanted : {false, true, false}) {
      bool stop = wanted && comm.rank() == 3;
      StepResult result =
          step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }, {.stop_requested = stop});
      EXPECT_EQ(result.stop(), wanted) << comm.rank();
    }
  });
}

// Its gradients would come after those of the first were sent away.
TEST(TrainStep, RefusesALeafThatRunsBackwardItself) {
  run_ranks(2, [](Communicator& comm) {
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    Mesh mesh(comm);
    TrainStep step(task.net, optimizer, mesh, {.leaves = 2});
    std::string error = error_of([&] {
      step.run(kLr, [&](Leaf leaf) {
        task.loss(leaf).sum.backward();
        return task.loss(leaf);
      });
    });
    EXPECT_TRUE(contains(error, "parameter 'w' got a gradient after its bucket was summed"))
        << error;
  });
}

TEST(TrainStep, RefusesRanksThatDifferInLeaves) {
  run_ranks(2, [](Communicator& comm) {
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    Mesh mesh(comm);
    TrainStep step(task.net, optimizer, mesh, {.leaves = 4});
    EXPECT_NE(error_of([&] {
                step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); },
                         {.leaves = comm.rank() == 0 ? 4 : 3});
              }),
              "");
  });
}

TEST(TrainStep, RefusesLossesWithoutWeight) {
  for (double weight : {0.0, -1.0, std::nan("")}) {
    run_ranks(2, [&](Communicator& comm) {
      LinearTask task([](Leaf) { return 1.0; });
      task.weight = weight;
      optim::AdamW optimizer({{{task.net.w}}}, {});
      Mesh mesh(comm);
      TrainStep step(task.net, optimizer, mesh, {.leaves = 2});
      EXPECT_TRUE(
          contains(error_of([&] { step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }); }),
                   "[TrainStep] the losses of a step have no weight"));
      EXPECT_EQ(doubles(task.net.w.data()), std::vector<double>(4, 1));
    });
  }
}

// A leaf may be empty as long as the batch is not.
TEST(TrainStep, TakesLeavesWithoutWeight) {
  OneStep one([](Leaf leaf) { return leaf.index == 0 ? 0.0 : 1.0; }, {.leaves = 2});
  StepResult result = one.step.run(kLr, [&](Leaf leaf) {
    one.task.weight = leaf.index == 0 ? 0 : 4;
    return one.task.loss(leaf);
  });
  EXPECT_EQ(result.weight(), 4);
  EXPECT_NEAR(result.loss(), 1, 1e-6);
}

TEST(TrainStep, RefusesMoreRanksThanLeaves) {
  run_ranks(3, [](Communicator& comm) {
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    EXPECT_TRUE(contains(error_of([&] {
                           Mesh mesh(comm);
                           TrainStep step(task.net, optimizer, mesh, {.leaves = 2});
                           step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); });
                         }),
                         "2 leaves cannot be shared by 3 ranks"));
  });
}

TEST(TrainStep, RefusesToClipToLessThanNothing) {
  for (const StepOptions& options :
       {StepOptions{.leaves = 1, .clip_value = -1}, StepOptions{.leaves = 1, .clip_norm = -1}}) {
    EXPECT_TRUE(contains(error_of([&] { OneStep([](Leaf) { return 1.0; }, options); }),
                         "expected a clip_value and a clip_norm of at least 0"));
  }
}

TEST(TrainStep, RefusesAModelWithoutParameters) {
  nn::Module empty;
  optim::AdamW optimizer({}, {});
  auto comm = make_self_communicator();
  Mesh mesh(*comm);
  EXPECT_EQ(error_of([&] { TrainStep(empty, optimizer, mesh, {}); }),
            "[TrainStep] the model has no parameters to train");
}

}  // namespace
}  // namespace tessera
