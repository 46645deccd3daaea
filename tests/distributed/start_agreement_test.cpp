#include "distributed/start_agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "tests/distributed/outcome.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::adamw_of;
using test::contains;
using test::error_of;
using test::group_of;
using test::kLr;
using test::kStrategies;
using test::run_ranks;
using test::same_bits;

struct Net : nn::Module {
  nn::Linear first;
  nn::Linear second;
  nn::BatchNorm1d norm{this, "norm", 3};
  explicit Net(int64_t hidden = 300, const char* name = "second")
      : first(this, "first", 4, hidden), second(this, name, hidden, 3) {
    first.make_block();
    second.make_block();
  }
  nn::Loss loss(Leaf leaf) {
    Tensor x(test::random_array({2, 4}, DType::f32, static_cast<uint64_t>(leaf.index)));
    Tensor y = second(first(to(x, first.weight.dtype())));
    return {sum(y * y), 2};
  }
};

// What making a step says on a rank, the model of which that rank makes.
template <class Make>
std::vector<std::string> errors_of(int world, const Make& make, StepOptions options = {}) {
  std::vector<std::string> errors(static_cast<size_t>(world));
  run_ranks(world, [&](Communicator& comm) {
    StepOptions own = options;
    own.leaves = 4;
    std::unique_ptr<Net> net = make(comm.rank());
    auto optimizer = adamw_of(*net);
    Mesh mesh(comm);
    errors[static_cast<size_t>(comm.rank())] =
        error_of([&] { TrainStep step(*net, optimizer, mesh, own); });
  });
  return errors;
}

std::unique_ptr<Net> seeded(uint64_t seed, bool deferred = false) {
  manual_seed(seed);
  std::optional<nn::DeferInit> defer;
  if (deferred) defer.emplace();
  return std::make_unique<Net>();
}

TEST(StartAgreement, RanksThatStartAlikeMayTrain) {
  for (bool deferred : {false, true}) {
    for (const std::string& error : errors_of(3, [&](int) { return seeded(7, deferred); })) {
      EXPECT_EQ(error, "");
    }
  }
}

TEST(StartAgreement, AnotherSeedIsNamedWithTheRanks) {
  for (bool deferred : {false, true}) {
    auto make = [&](int rank) { return seeded(rank == 1 ? 8 : 7, deferred); };
    for (const std::string& error : errors_of(3, make)) {
      EXPECT_TRUE(contains(error,
                           "[TrainStep] ranks start from different values: ranks 0, 2 have: "
                           "parameter 'first.weight', f32 (300, 4), weight decay 0.1: "));
      EXPECT_TRUE(contains(error, "; rank 1 has: parameter 'first.weight', f32 (300, 4)"));
      EXPECT_EQ(contains(error, "seed 8, uniform 0.5") == true, deferred) << error;
    }
  }
}

TEST(StartAgreement, AnotherDrawIsNamedInWords) {
  auto make = [](int rank) {
    auto net = seeded(7, /*deferred=*/true);
    net->set_initial_values(net->first.weight, nn::Init::trunc_normal(0, rank == 1 ? 0.25 : 0.5));
    return net;
  };
  for (const std::string& error : errors_of(3, make)) {
    EXPECT_TRUE(contains(error, "ranks 0, 2 have: parameter 'first.weight'"));
    EXPECT_TRUE(contains(error, "seed 7, truncated normal 0 0.25 -2 2")) << error;
  }
}

TEST(StartAgreement, OneElementOfOneParameterIsNamed) {
  auto make = [](int rank) {
    auto net = seeded(7);
    if (rank == 2) net->second.bias.data().select(0, 1).fill_(0);
    return net;
  };
  for (const std::string& error : errors_of(3, make)) {
    EXPECT_TRUE(contains(error, "rank 2 has: parameter 'second.bias', f32 (3,)"));
    EXPECT_FALSE(contains(error, "second.weight") == true);
  }
}

TEST(StartAgreement, OtherShapesNamesAndBuffersAreNamed) {
  auto error = [](auto make) { return errors_of(2, make)[1]; };
  EXPECT_TRUE(contains(error([](int rank) {
                         manual_seed(7);
                         return std::make_unique<Net>(rank == 1 ? 301 : 300);
                       }),
                       "ranks do not train the same thing: rank 0 has: parameter 'first.weight', "
                       "f32 (300, 4), weight decay 0.1; rank 1 has: parameter 'first.weight', f32 "
                       "(301, 4)"));
  EXPECT_TRUE(contains(error([](int rank) {
                         manual_seed(7);
                         return std::make_unique<Net>(300, rank == 1 ? "other" : "second");
                       }),
                       "rank 1 has: parameter 'other.weight'"));
  EXPECT_TRUE(contains(error([](int rank) {
                         auto net = seeded(7);
                         net->first.bias.set_requires_grad(rank == 0);
                         return net;
                       }),
                       "rank 1 has: parameter 'first.bias', f32 (300,), frozen"));
  EXPECT_TRUE(contains(error([](int rank) {
                         auto net = seeded(7);
                         net->norm.running_var.data().fill_(1 + rank);
                         return net;
                       }),
                       "rank 1 has: buffer 'norm.running_var', f32 (3,): "));
}

TEST(StartAgreement, OtherSettingsAreNamed) {
  auto error = [](const std::function<void(StepOptions&)>& change, double beta = 0.9,
                  MeshShape shape = {}) {
    std::string found;
    run_ranks(2, [&](Communicator& comm) {
      auto net = seeded(7);
      optim::AdamW optimizer({{net->parameters()}}, {.beta1 = comm.rank() == 1 ? beta : 0.9});
      StepOptions options{.leaves = 4};
      if (comm.rank() == 1) change(options);
      Mesh mesh(comm, comm.rank() == 1 ? shape : MeshShape());
      std::string own = error_of([&] { TrainStep step(*net, optimizer, mesh, options); });
      if (comm.rank() == 0) found = own;
    });
    return found;
  };
  EXPECT_EQ(error([](StepOptions&) {}), "");
  EXPECT_TRUE(contains(error([](StepOptions& o) { o.clip_norm = 2; }),
                       "rank 0 has: clip_norm 0; rank 1 has: clip_norm 2"));
  EXPECT_TRUE(contains(error([](StepOptions& o) { o.seed = 2; }), "rank 1 has: the step's seed 2"));
  EXPECT_TRUE(contains(error([](StepOptions& o) { o.leaves = 5; }), "rank 1 has: leaves 5"));
  EXPECT_TRUE(contains(error([](StepOptions& o) { o.strategy = Strategy::zero2; }),
                       "rank 0 has: strategy ddp; rank 1 has: strategy zero2"));
  EXPECT_TRUE(contains(error([](StepOptions& o) { o.dtype = DType::bf16; }), "dtype bf16"));
  EXPECT_TRUE(contains(error([](StepOptions& o) { o.loss_scale.emplace(); }),
                       "loss_scale from 65536, times 2 after 2000 steps, times 0.5"));
  EXPECT_TRUE(contains(error([](StepOptions&) {}, 0.5), "betas 0.5 and 0.999"));
  EXPECT_TRUE(contains(error([](StepOptions&) {}, 0.9, {.group = 2}),
                       "rank 0 has: group 1; rank 1 has: group 2"));
  EXPECT_TRUE(contains(error([](StepOptions&) {}, 0.9, {.ranks_per_node = 1}),
                       "rank 0 has: ranks_per_node 0; rank 1 has: ranks_per_node 1"));
}

// Whatever the others start from, all end as rank 0 would alone.
TEST(StartAgreement, BroadcastGivesAllOfThemRankZeros) {
  for (bool deferred : {false, true}) {
    nn::StateDict expected;
    {
      auto net = seeded(7, deferred);
      auto optimizer = adamw_of(*net);
      auto comm = make_self_communicator();
      Mesh mesh(*comm);
      TrainStep step(*net, optimizer, mesh, {.leaves = 4, .unused = UnusedParameters::zero});
      step.run(kLr, [&](Leaf leaf) { return net->loss(leaf); });
      for (const auto& [name, array] : step.state()) expected.emplace_back(name, array.clone());
    }
    for (Strategy strategy : kStrategies) {
      run_ranks(3, [&](Communicator& comm) {
        auto net = seeded(7 + static_cast<uint64_t>(comm.rank()), deferred);
        net->norm.running_mean.data().fill_(comm.rank());
        auto optimizer = adamw_of(*net);
        StepOptions options{.leaves = 4,
                            .strategy = strategy,
                            .unused = UnusedParameters::zero,
                            .start = Start::broadcast};
        Mesh mesh(comm, test::shape_of(strategy, 3));
        TrainStep step(*net, optimizer, mesh, options);
        step.run(kLr, [&](Leaf leaf) { return net->loss(leaf); });
        nn::StateDict state = step.state();
        ASSERT_EQ(state.size(), expected.size());
        for (size_t i = 0; i < state.size(); ++i) {
          EXPECT_TRUE(same_bits(state[i].second, expected[i].second))
              << state[i].first << ", " << name(strategy) << ", rank " << comm.rank();
        }
      });
    }
  }
}

// Other shapes cannot be made alike.
TEST(StartAgreement, BroadcastRefusesOtherShapes) {
  auto make = [](int rank) {
    manual_seed(7);
    return std::make_unique<Net>(rank == 1 ? 301 : 300);
  };
  EXPECT_TRUE(contains(errors_of(2, make, {.start = Start::broadcast})[0],
                       "ranks do not train the same thing"));
}

TEST(StartAgreement, RanksOfOneStepHaveOneRate) {
  run_ranks(3, [&](Communicator& comm) {
    auto net = seeded(7);
    auto optimizer = adamw_of(*net);
    Mesh mesh(comm);
    TrainStep step(*net, optimizer, mesh, {.leaves = 4, .unused = UnusedParameters::zero});
    std::string error = error_of([&] {
      step.run(comm.rank() == 2 ? 0.02 : 0.01, [&](Leaf leaf) { return net->loss(leaf); });
    });
    EXPECT_TRUE(contains(error,
                         "[TrainStep] ranks disagree about the learning rate of step 1: 0.01 and "
                         "0.02"));
  });
}

TEST(StartAgreement, RanksGoOnFromOneStep) {
  run_ranks(2, [&](Communicator& comm) {
    auto net = seeded(7);
    auto optimizer = adamw_of(*net);
    Mesh mesh(comm);
    TrainStep step(*net, optimizer, mesh, {.leaves = 4});
    EXPECT_TRUE(contains(error_of([&] { step.restored(4 + comm.rank()); }),
                         "ranks disagree about the step to go on from"));
  });
}

}  // namespace
}  // namespace tessera
