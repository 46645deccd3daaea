#include "distributed/train_step.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <set>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/block.h"
#include "nn/optim/adamw.h"
#include "tests/distributed/tasks.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"

namespace tessera {
namespace {

using test::adamw_of;
using test::close_to;
using test::contains;
using test::ConvTask;
using test::doubles;
using test::DropoutTask;
using test::error_of;
using test::GptTask;
using test::group_of;
using test::make;
using test::MakeTask;
using test::random_array;
using test::run_ranks;
using test::same_bits;
using test::Task;

constexpr int kSteps = 3;
constexpr Strategy kStrategies[] = {Strategy::ddp, Strategy::zero1, Strategy::zero2,
                                    Strategy::zero3, Strategy::hybrid};

constexpr double kLr = 0.01;
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

struct Outcome {
  nn::StateDict weights;
  std::vector<StepResult> steps;
};

Outcome train_on(Communicator& comm, const MakeTask& make_task, StepOptions options) {
  options.group = options.strategy == Strategy::hybrid ? group_of(comm.size()) : 1;
  manual_seed(7);
  std::unique_ptr<Task> task = make_task();
  auto optimizer = adamw_of(task->module());
  TrainStep step(task->module(), optimizer, comm, options);
  Outcome out;
  for (int i = 0; i < kSteps; ++i) {
    out.steps.push_back(step.run(kLr, [&](Leaf leaf) { return task->loss(leaf); }));
  }
  EXPECT_EQ(step.steps_done(), kSteps);
  for (const auto& [name, array] : step.state()) out.weights.emplace_back(name, array.clone());
  return out;
}

void expect_same(const Outcome& a, const Outcome& b, const std::string& what) {
  ASSERT_EQ(a.weights.size(), b.weights.size());
  for (size_t i = 0; i < a.weights.size(); ++i) {
    EXPECT_TRUE(same_bits(a.weights[i].second, b.weights[i].second))
        << a.weights[i].first << ", " << what;
  }
  for (size_t i = 0; i < a.steps.size(); ++i) {
    EXPECT_EQ(a.steps[i].loss, b.steps[i].loss) << what;
    EXPECT_EQ(a.steps[i].weight, b.steps[i].weight) << what;
    EXPECT_EQ(a.steps[i].grad_norm, b.steps[i].grad_norm) << what;
  }
}

Outcome train_alone(const MakeTask& make_task, const StepOptions& options) {
  return train_on(*make_self_communicator(), make_task, options);
}

void expect_same_on_ranks(const MakeTask& make_task, const StepOptions& options, int world,
                          const Outcome& expected, int threads = 1) {
  run_ranks(
      world,
      [&](Communicator& comm) {
        expect_same(train_on(comm, make_task, options), expected,
                    fmt::format("rank {} of {}, {}, buckets of {} bytes, {} threads", comm.rank(),
                                world, name(options.strategy), options.bucket_bytes, threads));
      },
      threads);
}

struct Case {
  std::string name;
  MakeTask make;
};
std::ostream& operator<<(std::ostream& out, const Case& test_case) { return out << test_case.name; }

class SameBits : public testing::TestWithParam<Case> {};

TEST_P(SameBits, ForAnyNumberOfRanksAndBucketSize) {
  StepOptions options{.leaves = 8, .clip_norm = 0.05};
  Outcome expected = train_alone(GetParam().make, options);
  for (const StepResult& step : expected.steps) EXPECT_TRUE(step.finite);
  EXPECT_GT(expected.steps[0].grad_norm, 0);
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
      nn::Loss part = task->loss({leaf, step});
      part.sum.backward();
      loss += part.sum.item<double>();
      weight += part.weight;
    }
    double norm = 0;
    optim::clip_grad_norm(task->module().parameters(), 1, &norm);
    norm /= weight;
    double factor = std::min(1.0, kClip / (norm + 1e-6));
    optimizer.step(kLr, Array::scalar(factor / weight, DType::f64));
    StepResult result = got.steps[static_cast<size_t>(step)];
    EXPECT_NEAR(result.loss, loss / weight, 1e-5);
    EXPECT_EQ(result.weight, weight);
    EXPECT_NEAR(result.grad_norm, norm, 1e-4 * norm);
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

// Each leaf's moments weigh by its values, and the whole batch moves the statistics once.
TEST(TrainStep, MovesRunningStatisticsOnceAStep) {
  struct Net : nn::Module {
    nn::BatchNorm1d norm{this, "norm", 2};
  } net;
  auto optimizer = adamw_of(net);
  auto comm = make_self_communicator();
  TrainStep step(net, optimizer, *comm, {.leaves = 2});
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
  TrainStep step(task.net, optimizer, *comm, {.leaves = 1});
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
  EXPECT_NE(one.steps[0].loss, other.steps[0].loss);
}

// One step of a LinearTask by itself.
struct OneStep {
  std::unique_ptr<Communicator> comm = make_self_communicator();
  LinearTask task;
  optim::AdamW optimizer{{{{task.net.w}}}, {.beta1 = 0, .beta2 = 0, .eps = 1}};
  TrainStep step;

  OneStep(std::function<double(Leaf)> coefficient, const StepOptions& options)
      : task(std::move(coefficient)), step(task.net, optimizer, *comm, options) {}
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
    EXPECT_NEAR(result.loss, 4, 1e-6);
    EXPECT_EQ(result.weight, 6);
    EXPECT_NEAR(result.grad_norm, 2, 1e-6);
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
        TrainStep step(task.net, optimizer, comm, {.leaves = 5, .clip_norm = 1});
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
        EXPECT_FALSE(result.finite);
        EXPECT_EQ(std::isfinite(result.loss), in_gradient_only);
        EXPECT_TRUE(same_bits(task.net.w.data(), before));
        // The optimizer's state has not been touched either.
        result = step.run(kLr, loss);
        EXPECT_TRUE(result.finite);
        EXPECT_FALSE(same_bits(task.net.w.data(), before));
        for (double w : doubles(task.net.w.data())) EXPECT_TRUE(std::isfinite(w));
      });
    }
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
    TrainStep step(task.net, optimizer, comm, {.leaves = 8});
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
    TrainStep step(task.net, optimizer, comm, {.leaves = 2});
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
    TrainStep step(task.net, optimizer, comm, {.leaves = 6});
    for (bool wanted : {false, true, false}) {
      bool stop = wanted && comm.rank() == 3;
      StepResult result =
          step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); }, {.stop_requested = stop});
      EXPECT_EQ(result.stop, wanted) << comm.rank();
    }
  });
}

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
      TrainStep step(net, optimizer, comm, {.leaves = 3, .strategy = strategy});
      Tensor x(Array::full({1, 2}, 1));
      auto loss_with = [&](int64_t leaf_that_uses) {
        return [&, leaf_that_uses](Leaf leaf) {
          Tensor y = run_block(net.used, x);
          if (leaf.index == leaf_that_uses) y = run_block(net.unused, y);
          return nn::Loss{sum(y), 1};
        };
      };
      EXPECT_TRUE(step.run(kLr, loss_with(2)).finite) << "one leaf is enough";
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
      TrainStep step(net, optimizer, comm,
                     {.leaves = 2, .strategy = strategy, .unused = UnusedParameters::zero});
      nn::StateDict before;
      for (const auto& [name, array] : step.state()) before.emplace_back(name, array.clone());
      Tensor x(Array::full({1, 2}, 1));
      auto loss = [&](Leaf) { return nn::Loss{sum(run_block(net.used, x)), 1}; };
      EXPECT_TRUE(step.run(kLr, loss).finite);
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
        TrainStep step(task.net, optimizer, comm,
                       {.leaves = 4, .clip_norm = 0.05, .strategy = strategy, .group = world});
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
    TrainStep step(task.model, optimizer, comm, {.leaves = 2, .strategy = Strategy::zero3});
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
    EXPECT_TRUE(step.run(kLr, loss).finite);
    EXPECT_EQ(whole_blocks(), std::set<int>{});
    EXPECT_EQ(error_of([&] { doubles(weight.data()); }), absent("blocks.0"));
    // The root's are always there.
    EXPECT_TRUE(std::isfinite(doubles(task.model.named_parameters()[0].second.data())[0]));
    step.whole_parameters([&] { EXPECT_EQ(doubles(weight.data()).size(), 16U); });
    EXPECT_EQ(whole_blocks(), std::set<int>{});
  });
}

TEST(Zero3, RefusesBlocksOutsideOfAStep) {
  run_ranks(2, [](Communicator& comm) {
    GptTask task;
    auto optimizer = adamw_of(task.model);
    TrainStep step(task.model, optimizer, comm, {.leaves = 2, .strategy = Strategy::zero3});
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
    TrainStep step(net, optimizer, comm, {.leaves = 2, .strategy = Strategy::zero3});
    Tensor x(Array::full({1, 2}, 1));
    std::string error = error_of([&] {
      step.run(kLr, [&](Leaf) {
        Tensor y = run_block(net.unused, run_block(net.used, x));
        return nn::Loss{sum(run_block(net.used, y)), 1};
      });
    });
    EXPECT_TRUE(contains(error, "the forward of block 'used' came a second time in one leaf"))
        << error;
  });
}

// Its gradients would come after those of the first were sent away.
TEST(TrainStep, RefusesALeafThatRunsBackwardItself) {
  run_ranks(2, [](Communicator& comm) {
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    TrainStep step(task.net, optimizer, comm, {.leaves = 2});
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

// The last batch of an epoch: fewer leaves, or fewer than ranks, the last of them smaller.
TEST(TrainStep, TakesABatchOfFewerLeaves) {
  auto train = [](Communicator& comm, StepOptions options) {
    options.group = options.strategy == Strategy::hybrid ? group_of(comm.size()) : 1;
    manual_seed(7);
    GptTask task;
    auto optimizer = adamw_of(task.model);
    TrainStep step(task.model, optimizer, comm, options);
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
    for (size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(expected.steps[i].weight, weights[i]);
    for (Strategy strategy : kStrategies) {
      options.strategy = strategy;
      for (int world : {2, 4}) {
        run_ranks(world, [&](Communicator& comm) {
          Outcome got = train(comm, options);
          std::string what = fmt::format("{} on {}", name(strategy), world);
          if (mode == ReductionMode::exact) return expect_same(got, expected, what);
          EXPECT_NEAR(got.steps[4].loss, expected.steps[4].loss, 1e-4) << what;
        });
      }
    }
  }
}

TEST(TrainStep, RefusesRanksThatDifferInLeaves) {
  run_ranks(2, [](Communicator& comm) {
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    TrainStep step(task.net, optimizer, comm, {.leaves = 4});
    EXPECT_NE(error_of([&] {
                step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); },
                         {.leaves = comm.rank() == 0 ? 4 : 3});
              }),
              "");
  });
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
  TrainStep step(task.model, optimizer, *comm, {.leaves = 1, .dtype = DType::bf16});
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

TEST(TrainStep, RefusesLossesWithoutWeight) {
  for (double weight : {0.0, -1.0, std::nan("")}) {
    run_ranks(2, [&](Communicator& comm) {
      LinearTask task([](Leaf) { return 1.0; });
      task.weight = weight;
      optim::AdamW optimizer({{{task.net.w}}}, {});
      TrainStep step(task.net, optimizer, comm, {.leaves = 2});
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
  EXPECT_EQ(result.weight, 4);
  EXPECT_NEAR(result.loss, 1, 1e-6);
}

TEST(TrainStep, RefusesMoreRanksThanLeaves) {
  run_ranks(3, [](Communicator& comm) {
    LinearTask task([](Leaf) { return 1.0; });
    optim::AdamW optimizer({{{task.net.w}}}, {});
    EXPECT_TRUE(contains(error_of([&] {
                           TrainStep step(task.net, optimizer, comm, {.leaves = 2});
                           step.run(kLr, [&](Leaf leaf) { return task.loss(leaf); });
                         }),
                         "2 leaves cannot be shared by 3 ranks"));
  });
}

TEST(TrainStep, RefusesAModelWithoutParameters) {
  nn::Module empty;
  optim::AdamW optimizer({}, {});
  auto comm = make_self_communicator();
  EXPECT_EQ(error_of([&] { TrainStep(empty, optimizer, *comm, {}); }),
            "[TrainStep] the model has no parameters to train");
}

}  // namespace
}  // namespace tessera
