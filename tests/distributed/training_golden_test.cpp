// Ten steps as PyTorch takes them in one process (scripts/make_training_golden.py).
#include <gtest/gtest.h>

#include "core/io/safetensors.h"
#include "tests/distributed/tasks.h"
#include "tests/support/ranks.h"

namespace tessera::test {
namespace {

class TrainingGolden {
 public:
  TrainingGolden() {
    for (auto& [name, array] :
         load_safetensors(TESSERA_GOLDEN_DIR "/training/ten_steps.safetensors").tensors) {
      arrays_.emplace(name, array);
    }
  }
  const Array& at(const std::string& name) const { return arrays_.at(name); }

 private:
  std::map<std::string, Array> arrays_;
};

void expect_as_in_pytorch(const std::string& name, const MakeTask& make_task, Communicator& comm,
                          const StepOptions& options, double tolerance) {
  TrainingGolden golden;
  std::unique_ptr<Task> task = make_task();
  for (const auto& [key, parameter] : task->module().named_parameters()) {
    parameter.data().copy_(golden.at(fmt::format("{}.{}", name, key)));
  }
  optim::AdamW optimizer = adamw_of(task->module());
  Mesh mesh(comm, shape_of(options.strategy, comm.size()));
  TrainStep step(task->module(), optimizer, mesh, options);
  std::vector<double> losses = doubles(golden.at(name + ".losses"));
  std::vector<double> norms = doubles(golden.at(name + ".norms"));
  for (size_t i = 0; i < losses.size(); ++i) {
    StepResult result = step.run(0.01, [&](Leaf leaf) { return task->loss(leaf); });
    std::string what = fmt::format("{}, step {}, {} of {} ranks", name, i,
                                   tessera::name(options.strategy), comm.size());
    EXPECT_NEAR(result.loss(), losses[i], tolerance * losses[i]) << what;
    EXPECT_NEAR(result.grad_norm(), norms[i], 10 * tolerance * norms[i]) << what;
  }
}

TEST(TrainingGolden, LossesAndNormsAreThoseOfOneProcessInPyTorch) {
  for (Strategy strategy :
       {Strategy::ddp, Strategy::zero1, Strategy::zero2, Strategy::zero3, Strategy::hybrid}) {
    for (int ranks : {1, 2, 4}) {
      run_ranks(ranks, [&](Communicator& comm) {
        StepOptions options{.leaves = 9, .clip_norm = 0.05, .strategy = strategy};
        expect_as_in_pytorch("gpt", make<GptTask>(), comm, options, 2e-5);
        expect_as_in_pytorch("conv", make<ConvTask>(), comm, options, 2e-5);
      });
    }
  }
}

// In bf16 the losses are near: what differs is rounding, of products and of gradients at leaves.
TEST(TrainingGolden, Bf16IsNear) {
  run_ranks(2, [&](Communicator& comm) {
    StepOptions options{.leaves = 9,
                        .clip_norm = 0.05,
                        .strategy = Strategy::zero3,
                        .dtype = DType::bf16,
                        .recompute = true};
    expect_as_in_pytorch("gpt", make<GptTask>(), comm, options, 0.01);
    expect_as_in_pytorch("conv", make<ConvTask>(), comm, options, 0.01);
  });
}

TEST(TrainingGolden, F16IsNear) {
  run_ranks(2, [&](Communicator& comm) {
    StepOptions options{.leaves = 9,
                        .clip_norm = 0.05,
                        .strategy = Strategy::zero2,
                        .dtype = DType::f16,
                        .loss_scale = LossScaleOptions{.init_scale = 1024}};
    expect_as_in_pytorch("gpt", make<GptTask>(), comm, options, 0.002);
    expect_as_in_pytorch("conv", make<ConvTask>(), comm, options, 0.002);
  });
}

// The golden file would notice another learning rate.
TEST(TrainingGolden, OtherTrainingIsNotNear) {
  TrainingGolden golden;
  GptTask task;
  for (const auto& [key, parameter] : task.model.named_parameters()) {
    parameter.data().copy_(golden.at(fmt::format("gpt.{}", key)));
  }
  optim::AdamW optimizer = adamw_of(task.model);
  auto comm = make_self_communicator();
  Mesh mesh(*comm);
  TrainStep step(task.model, optimizer, mesh, {.leaves = 9, .clip_norm = 0.05});
  double loss = 0;
  for (int i = 0; i < 10; ++i)
    loss = step.run(0.011, [&](Leaf leaf) { return task.loss(leaf); }).loss();
  double expected = doubles(golden.at("gpt.losses"))[9];
  EXPECT_GT(std::abs(loss - expected), 1e-3 * expected);
}

}  // namespace
}  // namespace tessera::test
