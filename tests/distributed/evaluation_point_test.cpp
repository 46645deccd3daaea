// Rules that mean parameters to be used at another point than they are trained at: evaluation, the
// state and what checkpoints hold are of the one, steps of the other.
#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <map>

#include "core/digest.h"
#include "distributed/agreement.h"
#include "tests/distributed/tasks.h"
#include "tests/support/error_of.h"
#include "tests/support/ranks.h"

namespace tessera::test {
namespace {

constexpr Strategy kStrategies[] = {Strategy::ddp, Strategy::zero1, Strategy::zero2,
                                    Strategy::zero3, Strategy::hybrid};

struct Loop {
  GptTask task;
  optim::AdamWScheduleFree optimizer{optim::groups_of(task.model, {}), {}};
  Mesh mesh;
  TrainStep step;

  Loop(Communicator& comm, Strategy strategy, std::optional<DType> dtype = {})
      : mesh(comm, shape_of(strategy, comm.size())),
        step(task.model, optimizer, mesh, {.leaves = 4, .strategy = strategy, .dtype = dtype}) {}
  void run(int steps) {
    for (int i = 0; i < steps; ++i) step.run(0.01, [&](Leaf leaf) { return task.loss(leaf); });
  }
  double evaluate() {
    return step.evaluate(2, [&](int64_t batch) { return task.loss({batch, 50}); });
  }
};

// By a module of its own with the weights of state().
double loss_of(const nn::StateDict& state) {
  GptTask task;
  task.model.load_state_dict(state);
  NoGrad no_grad;
  double sum = 0;
  double weight = 0;
  for (int64_t batch : {0, 1}) {
    nn::Loss loss = task.loss({batch, 50});
    sum += loss.sum.item<double>();
    weight += loss.weight;
  }
  return sum / weight;
}

TEST(EvaluationPoint, IsWhatEvaluationAndTheStateSee) {
  for (Strategy strategy : kStrategies) {
    run_ranks(2, [&](Communicator& comm) {
      manual_seed(7);
      Loop loop(comm, strategy);
      // Before the first update there is one point.
      EXPECT_NEAR(loop.evaluate(), loss_of(loop.step.state()), 1e-6) << name(strategy);
      loop.run(3);
      double loss = loop.evaluate();
      EXPECT_NEAR(loss, loss_of(loop.step.state()), 1e-6) << name(strategy);
      double trained = 0;
      loop.step.whole_parameters([&] { trained = loss_of(loop.task.model.state_dict()); });
      EXPECT_GT(std::abs(loss - trained), 1e-5) << "the points differ: " << name(strategy);
    });
  }
}

TEST(EvaluationPoint, LeavesTrainingAsItIs) {
  for (Strategy strategy : kStrategies) {
    run_ranks(2, [&](Communicator& comm) {
      auto digest_of = [&](bool evaluates) {
        manual_seed(7);
        Loop loop(comm, strategy, DType::bf16);
        for (int i = 0; i < 3; ++i) {
          if (evaluates) loop.evaluate();
          loop.run(1);
        }
        return digest(loop.step.state());
      };
      EXPECT_EQ(digest_of(true), digest_of(false)) << name(strategy);
    });
  }
}

// What a batch throws fails the mesh; what is trained is there again, as far as a rank has it.
TEST(EvaluationPoint, IsLeftWhereAnEvaluationThrows) {
  for (int ranks : {1, 2}) {
    for (Strategy strategy : kStrategies) {
      std::barrier trained(ranks);
      run_ranks(ranks, [&](Communicator& comm) {
        Loop loop(comm, strategy);
        loop.run(2);
        trained.arrive_and_wait();
        auto copies = [&] {
          std::vector<Array> out;
          for (const Bucket& bucket : loop.step.buckets()) {
            out.push_back(bucket.master.clone());
            out.push_back(bucket.own_params.clone());
            if (!bucket.sharded && ranks == 1) out.push_back(bucket.params.clone());
            for (const Array& state : bucket.state) out.push_back(state.clone());
          }
          return out;
        };
        std::vector<Array> before = copies();
        auto broken = [&](int64_t batch) {
          loop.task.loss({batch, 50});
          throw Error("no such batch");
          return nn::Loss{};
        };
        EXPECT_TRUE(contains(error_of([&] { loop.step.evaluate(2, broken); }), "no such batch"));
        std::vector<Array> after = copies();
        for (size_t i = 0; i < before.size(); ++i) {
          EXPECT_TRUE(same_bits(after[i], before[i])) << name(strategy) << " on " << ranks;
        }
      });
    }
  }
}

// After an error that every rank has, training goes on as if there had been no evaluation.
TEST(EvaluationPoint, IsLeftByAllRanksAfterAnErrorOfAll) {
  for (Strategy strategy : kStrategies) {
    run_ranks(2, [&](Communicator& comm) {
      auto digest_of = [&](bool evaluates) {
        manual_seed(7);
        Loop loop(comm, strategy, DType::bf16);
        loop.run(2);
        auto broken = [&](int64_t batch) {
          loop.task.loss({batch, 50});
          throw SharedError("no such batch");
          return nn::Loss{};
        };
        if (evaluates) {
          EXPECT_EQ(error_of([&] { loop.step.evaluate(2, broken); }), "no such batch");
        }
        loop.run(1);
        return digest(loop.step.state());
      };
      EXPECT_EQ(digest_of(true), digest_of(false)) << name(strategy);
    });
  }
}

TEST(EvaluationPoint, IsTheParameterInWhatIsHeld) {
  auto comm = make_self_communicator();
  Loop loop(*comm, Strategy::ddp);
  loop.run(2);
  std::map<std::string, Array> held;
  for (const HeldTensor& tensor : loop.step.held()) held.emplace(tensor.name, tensor.data);
  for (const auto& [name, array] : loop.step.state()) {
    EXPECT_TRUE(same_bits(held.at(name), array.view({array.numel()}))) << name;
    EXPECT_TRUE(held.contains("y/" + name) && held.contains("z/" + name)) << name;
    EXPECT_FALSE(held.contains("x/" + name)) << name;
  }
}

// As by init.from: only what has the parameters' names is written.
TEST(EvaluationPoint, ValuesWrittenBeforeTheFirstUpdateAreThoseOfBothPoints) {
  auto comm = make_self_communicator();
  auto digest_of = [&](bool held) {
    manual_seed(7);
    Loop loop(*comm, Strategy::zero3);
    if (held) {
      for (const HeldTensor& tensor : loop.step.held()) {
        if (tensor.name == "ln_f.weight") tensor.data.fill_(2);
      }
      loop.step.restored(0);
    } else {
      for (const Bucket& bucket : loop.step.buckets()) {
        for (const Segment& segment : bucket.segments) {
          if (segment.name != "ln_f.weight") continue;
          slice_of(bucket.master, bucket.own_interval_of(segment)).fill_(2);
        }
      }
      loop.step.masters_changed();
    }
    std::string before = digest(loop.step.state());
    loop.run(2);
    return before + digest(loop.step.state());
  };
  EXPECT_EQ(digest_of(true), digest_of(false));
}

}  // namespace
}  // namespace tessera::test
