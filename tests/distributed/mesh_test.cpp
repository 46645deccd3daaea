#include "distributed/mesh.h"

#include <gtest/gtest.h>

#include <barrier>

#include "distributed/comm/fake_communicator.h"
#include "tests/distributed/outcome.h"
#include "tests/support/error_of.h"
#include "tests/support/spy_communicator.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::make;
using test::run_ranks;
using test::SpyCommunicator;

TEST(Mesh, IsOneLineForDataParallelism) {
  run_ranks(3, [](Communicator& comm) {
    SpyCommunicator spy(comm);
    Mesh mesh(spy);
    EXPECT_EQ(&mesh.data(), &mesh.world());
    EXPECT_EQ(&mesh.control(), &mesh.world());
    EXPECT_EQ(&mesh.data_control(), &mesh.world());
    for (Communicator* axis : {&mesh.tensor(), &mesh.context(), &mesh.expert(), &mesh.pipeline()}) {
      EXPECT_EQ(axis->size(), 1);
    }
    EXPECT_EQ(spy.calls().size(), 0U) << "nothing to agree on, and nothing to split";
  });
}

TEST(Mesh, HasAxesOfConsecutiveRanks) {
  run_ranks(8, [&](Communicator& comm) {
    Mesh mesh(comm, {.pipeline = 2, .tensor = 2});
    EXPECT_EQ(mesh.data().size(), 2);
    EXPECT_EQ(mesh.tensor().size(), 2);
    EXPECT_EQ(mesh.pipeline().size(), 2);
    EXPECT_EQ(mesh.tensor().rank(), comm.rank() % 2);
    EXPECT_EQ(mesh.data().rank(), comm.rank() / 2 % 2);
    EXPECT_EQ(mesh.pipeline().rank(), comm.rank() / 4);
    EXPECT_EQ(&mesh.data_control(), &mesh.data());
    Array sum = Array::full({1}, comm.rank());
    mesh.tensor().all_reduce(sum).join();
    EXPECT_EQ(doubles(sum)[0], comm.rank() / 2 * 4 + 1);
  });
}

TEST(Mesh, HasRoomForContextAndExperts) {
  run_ranks(8, [&](Communicator& comm) {
    Mesh mesh(comm, {.tensor = 2, .context = 2, .expert = 2});
    EXPECT_EQ(mesh.data().size(), 1);
    EXPECT_EQ(mesh.tensor().rank(), comm.rank() % 2);
    EXPECT_EQ(mesh.context().rank(), comm.rank() / 2 % 2);
    EXPECT_EQ(mesh.expert().rank(), comm.rank() / 4);
    // Of ranks r and r + 4, and of r and r + 2 in each half.
    Array along_expert = Array::full({1}, comm.rank());
    mesh.expert().all_reduce(along_expert).join();
    EXPECT_EQ(doubles(along_expert)[0], comm.rank() % 4 * 2 + 4);
    Array along_context = Array::full({1}, comm.rank());
    mesh.context().all_reduce(along_context).join();
    EXPECT_EQ(doubles(along_context)[0], comm.rank() / 4 * 8 + comm.rank() % 2 * 2 + 2);
  });
}

TEST(Mesh, RefusesWhatIsNoGrid) {
  run_ranks(6, [](Communicator& comm) {
    EXPECT_EQ(error_of([&] { Mesh(comm, {.pipeline = 4}); }),
              "[Mesh] 6 ranks do not divide into pipeline 4, tensor 1, context 1, expert 1, group "
              "1, ranks_per_node 0");
    EXPECT_EQ(
        error_of([&] { Mesh(comm, {.tensor = 1 << 30, .context = 1 << 30}); }),
        "[Mesh] 6 ranks do not divide into pipeline 1, tensor 1073741824, context 1073741824, "
        "expert 1, group 1, ranks_per_node 0");
    EXPECT_EQ(error_of([&] { Mesh(comm, {.expert = 0}); }),
              "[Mesh] expected at least one rank along every axis, got pipeline 1, tensor 1, "
              "context 1, expert 0, group 1, ranks_per_node 0");
    EXPECT_EQ(error_of([&] { Mesh(comm, {.group = 4}); }),
              "[Mesh] 6 ranks of data parallelism do not divide into groups of 4");
    EXPECT_EQ(error_of([&] { Mesh(comm, {.ranks_per_node = 4}); }),
              "[Mesh] 6 ranks of data parallelism do not divide into nodes of 4");
  });
}

TEST(Mesh, NamesShapesThatDiffer) {
  run_ranks(4, [](Communicator& comm) {
    MeshShape shape{.tensor = comm.rank() == 2 ? 4 : 2};
    EXPECT_EQ(
        error_of([&] { Mesh(comm, shape); }),
        "ranks disagree about the mesh: rank 0 has pipeline 1, tensor 2, context 1, expert 1, "
        "group 1, ranks_per_node 0, rank 2 has pipeline 1, tensor 4, context 1, expert 1, group 1, "
        "ranks_per_node 0");
  });
}

TEST(Mesh, NeedsAHostToTalkOver) {
  FakeCommunicator world(1, 4, {DeviceType::meta});
  EXPECT_EQ(error_of([&] { Mesh mesh(world); }),
            "[Mesh] a world on meta needs a control communicator, whose arrays are the host's");
  FakeCommunicator control(1, 4);
  Mesh mesh(world, {}, &control);
  EXPECT_EQ(&mesh.control(), &control);
  EXPECT_EQ(mesh.tensor().device(), world.device());
  FakeCommunicator other(2, 4);
  EXPECT_EQ(error_of([&] { Mesh(world, {}, &other); }),
            "[Mesh] expected a control communicator of the world's ranks, got rank 2 of 4 for rank "
            "1 of 4");
}

// What ranks agree on and tell each other goes one way, what devices work on the other.
TEST(Mesh, KeepsAgreementApartFromData) {
  for (Strategy strategy : test::kStrategies) {
    auto hosts = ThreadGroup::make(4, {.timeout = std::chrono::seconds(30)});
    run_ranks(4, [&](Communicator& comm) {
      auto host = hosts->rank(comm.rank());
      SpyCommunicator world(comm, false);
      SpyCommunicator control(*host);
      Mesh mesh(world, {.pipeline = 2, .group = 2}, &control);
      EXPECT_EQ(world.count("all_gather"), 0);
      EXPECT_EQ(mesh.data_control().size(), 2);
      EXPECT_NE(&mesh.data_control(), &mesh.data());
      world.forget();
      control.forget();
      StepOptions options{.leaves = 5, .clip_norm = 1, .strategy = strategy};
      test::Outcome got = test::train_on(mesh, make<test::ConvTask>(), options);
      EXPECT_TRUE(control.all_joined());
      EXPECT_EQ(control.count("all_to_all"), 0);
      // The start's hash and barrier, and of each step the table of leaves and the statistics'.
      EXPECT_EQ(control.count("all_gather"), 1 + 2 * test::kSteps);
      EXPECT_EQ(control.count("barrier"), 1);
      EXPECT_EQ(world.count("barrier") + world.count("all_reduce"), 0);
      // Of what the data communicator moves, the host reads the norm's chunks alone.
      int64_t joined = 0;
      for (const auto& call : world.calls()) joined += call->op == "split" ? 0 : call->joined;
      EXPECT_EQ(joined, strategy == Strategy::ddp ? 0 : test::kSteps) << name(strategy);
      options.strategy = Strategy::ddp;
      test::expect_same(got, test::train_alone(make<test::ConvTask>(), options),
                        std::string(name(strategy)));
    });
  }
}

TEST(Mesh, AbortReachesDataAndControl) {
  auto hosts = ThreadGroup::make(2, {.timeout = std::chrono::seconds(30)});
  std::barrier made(2);
  run_ranks(2, [&](Communicator& comm) {
    auto host = hosts->rank(comm.rank());
    Mesh mesh(comm, {.tensor = 2}, host.get());
    made.arrive_and_wait();
    if (comm.rank() == 0) mesh.abort("enough");
    for (Communicator* each : {&mesh.control(), &mesh.world(), &mesh.tensor()}) {
      EXPECT_TRUE(test::contains(error_of([&] {
                                   each->barrier().join();
                                   each->barrier().join();
                                 }),
                                 "aborted by rank 0: enough"));
    }
  });
}

// Two steps, as a GAN has, each with its own strategy.
TEST(Mesh, IsSharedBySeveralSteps) {
  test::Outcome alone_gpt = test::train_alone(make<test::GptTask>(), {.leaves = 4});
  test::Outcome alone_conv = test::train_alone(make<test::ConvTask>(), {.leaves = 5});
  run_ranks(4, [&](Communicator& comm) {
    Mesh mesh(comm, {.group = 2, .ranks_per_node = 2});
    manual_seed(7);
    test::GptTask gpt;
    manual_seed(7);
    test::ConvTask conv;
    auto gpt_optimizer = test::adamw_of(gpt.model);
    auto conv_optimizer = test::adamw_of(conv.net);
    TrainStep first(gpt.model, gpt_optimizer, mesh, {.leaves = 4, .strategy = Strategy::hybrid});
    TrainStep second(conv.net, conv_optimizer, mesh, {.leaves = 5, .strategy = Strategy::zero1});
    test::Outcome got_gpt;
    test::Outcome got_conv;
    for (int i = 0; i < test::kSteps; ++i) {
      got_gpt.steps.push_back(first.run(test::kLr, [&](Leaf leaf) { return gpt.loss(leaf); }));
      got_conv.steps.push_back(second.run(test::kLr, [&](Leaf leaf) { return conv.loss(leaf); }));
    }
    for (const auto& [name, array] : first.state()) {
      got_gpt.weights.emplace_back(name, array.clone());
    }
    for (const auto& [name, array] : second.state()) {
      got_conv.weights.emplace_back(name, array.clone());
    }
    test::expect_same(got_gpt, alone_gpt, "gpt");
    test::expect_same(got_conv, alone_conv, "conv");
  });
}

}  // namespace
}  // namespace tessera
