// What training a task gives, to be compared.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "autograd/context.h"
#include "tests/distributed/tasks.h"
#include "tests/support/ranks.h"

namespace tessera::test {

constexpr int kSteps = 3;
constexpr double kLr = 0.01;
constexpr Strategy kStrategies[] = {Strategy::ddp, Strategy::zero1, Strategy::zero2,
                                    Strategy::zero3, Strategy::hybrid};

struct Outcome {
  nn::StateDict weights;
  std::vector<StepResult> steps;
};

inline Outcome train_on(Mesh& mesh, const MakeTask& make_task, const StepOptions& options) {
  manual_seed(7);
  std::unique_ptr<Task> task = make_task();
  auto optimizer = adamw_of(task->module());
  TrainStep step(task->module(), optimizer, mesh, options);
  Outcome out;
  for (int i = 0; i < kSteps; ++i) {
    out.steps.push_back(step.run(kLr, [&](Leaf leaf) { return task->loss(leaf); }));
  }
  EXPECT_EQ(step.steps_done(), kSteps);
  for (const auto& [name, array] : step.state()) out.weights.emplace_back(name, array.clone());
  return out;
}

inline Outcome train_on(Communicator& comm, const MakeTask& make_task, const StepOptions& options,
                        int per_node = 0) {
  Mesh mesh(comm, shape_of(options.strategy, comm.size(), per_node));
  return train_on(mesh, make_task, options);
}

inline void expect_same(const Outcome& a, const Outcome& b, const std::string& what) {
  ASSERT_EQ(a.weights.size(), b.weights.size());
  for (size_t i = 0; i < a.weights.size(); ++i) {
    EXPECT_TRUE(same_bits(a.weights[i].second, b.weights[i].second))
        << a.weights[i].first << ", " << what;
  }
  for (size_t i = 0; i < a.steps.size(); ++i) {
    EXPECT_EQ(a.steps[i].loss(), b.steps[i].loss()) << what;
    EXPECT_EQ(a.steps[i].weight(), b.steps[i].weight()) << what;
    EXPECT_EQ(a.steps[i].grad_norm(), b.steps[i].grad_norm()) << what;
  }
}

inline Outcome train_alone(const MakeTask& make_task, const StepOptions& options) {
  return train_on(*make_self_communicator(), make_task, options);
}

inline void expect_same_on_ranks(const MakeTask& make_task, const StepOptions& options, int world,
                                 const Outcome& expected, int threads = 1, int per_node = 0) {
  run_ranks(
      world,
      [&](Communicator& comm) {
        expect_same(train_on(comm, make_task, options, per_node), expected,
                    fmt::format("rank {} of {}, {}, buckets of {} bytes, {} threads", comm.rank(),
                                world, name(options.strategy), options.bucket_bytes, threads));
      },
      threads);
}

}  // namespace tessera::test
