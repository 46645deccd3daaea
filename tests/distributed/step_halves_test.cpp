// A step that is taken apart: what goes between the gradients and the update, and several steps on
// one mesh.
#include <gtest/gtest.h>

#include "autograd/context.h"
#include "core/digest.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/unary.h"
#include "tests/distributed/tasks.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"

namespace tessera::test {
namespace {

constexpr Strategy kStrategies[] = {Strategy::ddp, Strategy::zero1, Strategy::zero2,
                                    Strategy::zero3, Strategy::hybrid};

struct Loop {
  GptTask task{0.1};
  optim::AdamW optimizer = adamw_of(task.model);
  Mesh mesh;
  TrainStep step;

  Loop(Communicator& comm, Strategy strategy, StepOptions options = {.leaves = 6, .clip_norm = 0.5})
      : mesh(comm, shape_of(strategy, comm.size())),
        step(task.model, optimizer, mesh, with(options, strategy)) {}
  static StepOptions with(StepOptions options, Strategy strategy) {
    options.strategy = strategy;
    return options;
  }
  StepGradients accumulate() {
    return step.accumulate([&](Leaf leaf) { return task.loss(leaf); });
  }
  StepResult run() {
    return step.run(0.01, [&](Leaf leaf) { return task.loss(leaf); });
  }
  std::string digest() { return tessera::digest(step.state()); }
};

// body(loop) on that many ranks, each from the same weights; the digest it ends with.
std::string digest_of(int ranks, Strategy strategy, const std::function<void(Loop&)>& body) {
  std::string out;
  run_ranks(ranks, [&](Communicator& comm) {
    manual_seed(7);
    Loop loop(comm, strategy);
    body(loop);
    std::string digest = loop.digest();
    if (comm.rank() == 0) out = digest;
  });
  return out;
}

// Clipped in the step, before its norm is taken for clip_norm, or by hand between the halves.
TEST(StepHalves, ElementsAreClippedBeforeTheNormIs) {
  constexpr double kValue = 0.01;
  auto digest_of = [&](int ranks, Strategy strategy, bool by_hand) {
    std::string out;
    run_ranks(ranks, [&](Communicator& comm) {
      manual_seed(7);
      StepOptions options{.leaves = 6, .clip_value = by_hand ? 0 : kValue, .clip_norm = 0.1};
      Loop loop(comm, strategy, options);
      for (int i = 0; i < 3; ++i) {
        StepGradients gradients = loop.accumulate();
        double highest = kValue * gradients.weight;
        for (const Array& sums : gradients.sums) {
          if (by_hand) kernels({}).unary().run(UnaryOp::clamp, sums, sums, {-highest, highest});
        }
        StepResult result = loop.step.apply(0.01, std::move(gradients));
        EXPECT_GT(result.grad_norm(), 0.1);
      }
      std::string digest = loop.digest();
      if (comm.rank() == 0) out = digest;
    });
    return out;
  };
  std::string expected = digest_of(1, Strategy::ddp, true);
  for (Strategy strategy : kStrategies) {
    EXPECT_EQ(digest_of(2, strategy, false), expected) << name(strategy);
  }
  EXPECT_NE(expected, tessera::test::digest_of(1, Strategy::ddp, [](Loop& loop) {
              for (int i = 0; i < 3; ++i) loop.run();
            }));
}

void scale(const Array& array, double factor) {
  kernels({}).binary().affine(array, factor, 0, array);
}

TEST(StepHalves, TogetherAreARun) {
  for (Strategy strategy : kStrategies) {
    auto runs = [](Loop& loop) {
      for (int i = 0; i < 3; ++i) loop.run();
    };
    auto halves = [](Loop& loop) {
      for (int i = 0; i < 3; ++i) {
        StepGradients gradients = loop.accumulate();
        double norm = loop.step.norm(gradients);
        StepResult result = loop.step.apply(0.01, std::move(gradients));
        EXPECT_EQ(result.grad_norm(), norm);
        EXPECT_TRUE(result.finite());
      }
    };
    EXPECT_EQ(digest_of(2, strategy, halves), digest_of(2, strategy, runs)) << name(strategy);
  }
}

TEST(StepHalves, GradientsAreSumsOfThisRanksElements) {
  run_ranks(2, [](Communicator& comm) {
    manual_seed(7);
    Loop loop(comm, Strategy::zero1);
    StepGradients gradients = loop.accumulate();
    EXPECT_EQ(gradients.sums.size(), loop.step.buckets().size());
    EXPECT_EQ(gradients.weight, 5 * 16 + 8);
    for (size_t i = 0; i < gradients.sums.size(); ++i) {
      EXPECT_EQ(gradients.sums[i].numel(), loop.step.buckets()[i].own.size());
    }
    double norm = loop.step.norm(gradients);
    for (const Array& sum : gradients.sums) scale(sum, 2);
    EXPECT_NEAR(loop.step.norm(gradients), 2 * norm, 1e-6 * norm);
  });
}

// Half of the gradient twice is the gradient; the digest tells, because the factor is exact.
TEST(StepHalves, WhatIsChangedBetweenThemCounts) {
  auto changed = [](double factor) {
    return digest_of(2, Strategy::zero2, [&](Loop& loop) {
      StepGradients gradients = loop.accumulate();
      for (const Array& sum : gradients.sums) scale(sum, factor);
      gradients.weight *= factor == 0.5 ? 0.5 : 1;
      loop.step.apply(0.01, std::move(gradients));
    });
  };
  std::string plain = changed(1);
  EXPECT_EQ(changed(0.5), plain);
  EXPECT_NE(changed(-1), plain);
}

TEST(StepHalves, AStepThatIsSkippedMovesTheCounterAlone) {
  auto skipped = [](Loop& loop) {
    StepGradients gradients = loop.accumulate();
    loop.step.skip(gradients);
    EXPECT_EQ(loop.step.steps_done(), 1);
    EXPECT_EQ(loop.step.updates_done(), 0);
  };
  EXPECT_EQ(digest_of(2, Strategy::zero3, skipped), digest_of(2, Strategy::zero3, [](Loop&) {}));
}

// Sharpness-aware minimization (Foret et al. 2021): the gradient a step uphill from here.
void sharpness_aware_step(Loop& loop, double radius) {
  StepGradients first = loop.accumulate();
  double norm = loop.step.norm(first) * first.weight;
  std::vector<Array> before;
  for (size_t i = 0; i < first.sums.size(); ++i) {
    const Array& master = loop.step.buckets()[i].master;
    before.push_back(master.clone());
    scale(first.sums[i], radius / norm);
    kernels({}).binary().run(BinaryOp::add, master, first.sums[i], master);
  }
  loop.step.masters_changed();
  StepGradients second = loop.accumulate();
  for (size_t i = 0; i < before.size(); ++i) loop.step.buckets()[i].master.copy_(before[i]);
  loop.step.masters_changed();
  loop.step.apply(0.01, std::move(second));
}

TEST(StepHalves, SharpnessAwareMinimizationIsWrittenOutside) {
  auto train = [](double radius) {
    return [radius](Loop& loop) {
      for (int i = 0; i < 2; ++i) sharpness_aware_step(loop, radius);
    };
  };
  std::string expected = digest_of(1, Strategy::ddp, train(0.05));
  for (Strategy strategy : kStrategies) {
    EXPECT_EQ(digest_of(3, strategy, train(0.05)), expected) << name(strategy);
  }
  // A step uphill of no length is none, and the same random numbers are drawn again.
  auto runs = [](Loop& loop) {
    for (int i = 0; i < 2; ++i) loop.run();
  };
  EXPECT_EQ(digest_of(2, Strategy::zero3, train(0)), digest_of(2, Strategy::zero3, runs));
  EXPECT_NE(expected, digest_of(1, Strategy::ddp, runs));
}

TEST(StepHalves, GradientsOfAnotherStepOrShapeAreRefused) {
  run_ranks(1, [](Communicator& comm) {
    Loop loop(comm, Strategy::ddp);
    StepGradients gradients = loop.accumulate();
    StepGradients cut = gradients;
    cut.sums.pop_back();
    loop.step.apply(0.01, gradients);
    EXPECT_TRUE(contains(error_of([&] { loop.step.apply(0.01, gradients); }),
                         "expected the gradients that accumulate gave in step 2"));
  });
  run_ranks(1, [](Communicator& comm) {
    Loop loop(comm, Strategy::ddp);
    StepGradients gradients = loop.accumulate();
    gradients.sums[0] = gradients.sums[0].slice(0, 0, 256);
    EXPECT_TRUE(contains(error_of([&] { loop.step.apply(0.01, gradients); }), "with their shapes"));
  });
}

TEST(StepHalves, GradientsOfAnotherStepAreRefused) {
  run_ranks(1, [](Communicator& comm) {
    Loop one(comm, Strategy::ddp);
    Loop other(comm, Strategy::ddp);
    StepGradients gradients = other.accumulate();
    EXPECT_TRUE(contains(error_of([&] { one.step.apply(0.01, gradients); }), "got another's"));
  });
}

TEST(StepHalves, GradientsFromElsewhereAreRefused) {
  run_ranks(1, [](Communicator& comm) {
    Loop loop(comm, Strategy::ddp);
    loop.task.loss({0, 0}).sum.backward();
    EXPECT_TRUE(contains(error_of([&] { loop.run(); }), "has a gradient before the step"));
  });
}

TEST(StepHalves, AModuleHasOneStepAtATime) {
  run_ranks(1, [](Communicator& comm) {
    Loop loop(comm, Strategy::zero3);
    EXPECT_TRUE(contains(
        error_of([&] { TrainStep(loop.task.model, loop.optimizer, loop.mesh, {.leaves = 6}); }),
        "has a TrainStep already"));
    loop.run();  // and goes on
    EXPECT_TRUE(contains(error_of([&] { loop.step.whole_parameters([&] { loop.run(); }); }),
                         "inside of whole_parameters"));
  });
}

// A generator and a discriminator, each with a step of its own on one mesh.
struct Gan {
  struct Net : nn::Callable<Net> {
    nn::Linear fc1{this, "fc1", 4, 16};
    nn::Linear fc2{this, "fc2", 16, 4};
    Net() {
      fc1.make_block();
      fc2.make_block();
    }
    Tensor forward(const Tensor& x) { return fc2(relu(fc1(x))); }
  };
  Net generator, discriminator;
  Mesh mesh;
  optim::AdamW generator_adam{{{generator.parameters()}}, {}};
  optim::AdamW discriminator_adam{{{discriminator.parameters()}}, {}};
  TrainStep generator_step, discriminator_step;

  Gan(Communicator& comm, Strategy strategy)
      : mesh(comm, shape_of(strategy, comm.size())),
        generator_step(generator, generator_adam, mesh, {.leaves = 4, .strategy = strategy}),
        discriminator_step(discriminator, discriminator_adam, mesh,
                           {.leaves = 4, .strategy = strategy}) {}

  static Tensor numbers(Leaf leaf, uint64_t kind) {
    auto seed = static_cast<uint64_t>(100 * leaf.step + leaf.index);
    return Tensor(random_array({3, 4}, DType::f32, 2 * seed + kind));
  }
  static Tensor classes(double value) { return Tensor(Array::full({3}, value, DType::i64)); }
  void train_once() {
    generator_step.whole_parameters([&] {
      discriminator_step.run(0.01, [&](Leaf leaf) {
        Tensor fake = [&] {
          NoGrad no_grad;
          return generator(numbers(leaf, 0));
        }();
        return nn::cross_entropy_loss(discriminator(cat({numbers(leaf, 1), fake})),
                                      cat({classes(1), classes(0)}));
      });
    });
    discriminator.requires_grad_(false);
    discriminator_step.whole_parameters([&] {
      generator_step.run(0.01, [&](Leaf leaf) {
        return nn::cross_entropy_loss(discriminator(generator(numbers(leaf, 0))), classes(1));
      });
    });
    discriminator.requires_grad_(true);
  }
};

TEST(StepHalves, SeveralStepsShareAMesh) {
  std::string expected;
  for (int ranks : {1, 2, 4}) {
    for (Strategy strategy : kStrategies) {
      run_ranks(ranks, [&](Communicator& comm) {
        manual_seed(3);
        Gan gan(comm, strategy);
        for (int i = 0; i < 3; ++i) gan.train_once();
        std::string digest = tessera::digest(gan.generator_step.state()) +
                             tessera::digest(gan.discriminator_step.state());
        if (ranks == 1 && strategy == Strategy::ddp) expected = digest;
        EXPECT_EQ(digest, expected) << name(strategy) << " on " << ranks;
      });
    }
  }
}

}  // namespace
}  // namespace tessera::test
