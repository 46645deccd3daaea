#include "launcher/experiment/step_options.h"

#include <gtest/gtest.h>

#include "core/cuda/cuda.h"
#include "launcher/experiment/run_schedule.h"
#include "tests/support/error_of.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

Config config_of(std::vector<std::string> overrides) {
  return load_config("{}", "q.yaml", overrides, builtin_catalog());
}

TEST(StepOptions, AreWhatTheConfigSays) {
  Config config =
      config_of({"parallel.strategy=hybrid", "parallel.group=2", "parallel.bucket_mib=3",
                 "parallel.unused_parameters=zero", "parallel.start=broadcast", "data.leaves=6",
                 "optim.clip_norm=0.5", "run.seed=9", "compute.dtype=bf16",
                 "compute.recompute=blocks", "compute.device=cpu"});
  MeshShape shape = mesh_shape(config, 4);
  EXPECT_EQ(shape.group, 2);
  EXPECT_EQ(shape.ranks_per_node, 4);
  StepOptions options = step_options(config);
  EXPECT_EQ(options.strategy, Strategy::hybrid);
  EXPECT_EQ(options.bucket_bytes, 3 << 20);
  EXPECT_EQ(options.unused, UnusedParameters::zero);
  EXPECT_EQ(options.start, Start::broadcast);
  EXPECT_EQ(options.leaves, 6);
  EXPECT_EQ(options.clip_norm, 0.5);
  EXPECT_EQ(options.seed, 9);
  EXPECT_EQ(options.dtype, DType::bf16);
  EXPECT_TRUE(options.recompute);
  EXPECT_EQ(options.reduction, ReductionMode::exact);
}

TEST(StepOptions, TheReductionAndItsDtypeAreOneMode) {
  auto mode = [](std::vector<std::string> overrides) {
    return step_options(config_of(std::move(overrides))).reduction;
  };
  EXPECT_EQ(mode({"parallel.reduction=fast"}), ReductionMode::fast);
  EXPECT_EQ(mode({"parallel.reduction=fast", "parallel.gradient_dtype=bf16"}),
            ReductionMode::fast_bf16);
  EXPECT_TRUE(contains(error_of([&] { mode({"parallel.gradient_dtype=bf16"}); }),
                       "parallel.gradient_dtype: bf16 rounds sums"));
}

TEST(StepOptions, ARuleThatAsksForTheLossHasNoLossScale) {
  auto error = [](const char* dtype) {
    return error_of([&] {
      step_options(config_of({"optim.name=lbfgs", std::string("compute.dtype=") + dtype}));
    });
  };
  EXPECT_EQ(error("bf16"), "");
  EXPECT_TRUE(contains(error("f16"), "compute.dtype: f16 goes with losses that are scaled"));
}

TEST(StepOptions, AScheduleOfEvaluationsNeedsThem) {
  auto error = [](std::vector<std::string> overrides) {
    return error_of([&] { step_options(config_of(std::move(overrides))); });
  };
  EXPECT_EQ(error({"schedule.name=plateau"}),
            "schedule.name: plateau follows the validation loss, and no evaluations are asked for: "
            "run.eval_every says how many steps apart they are");
  EXPECT_EQ(error({"schedule.name=plateau", "run.eval_every=2"}), "");
  // One that it heeds and that a step comes after.
  auto with = [&](int every, int warmup, int steps) {
    return error({"schedule.name=plateau", fmt::format("run.eval_every={}", every),
                  fmt::format("schedule.warmup={}", warmup), fmt::format("run.steps={}", steps)});
  };
  EXPECT_EQ(with(5, 5, 6), "");
  EXPECT_EQ(with(5, 0, 5),
            "schedule.name: plateau follows evaluations after step 5 and later, and with "
            "run.eval_every: 5 there is none before the last of run.steps: 5");
  EXPECT_TRUE(contains(with(5, 6, 10), "evaluations after step 6 and later"));
  EXPECT_TRUE(
      contains(error({"schedule.name=plateau", "run.eval_every=2", "optim.name=sgd_schedule_free"}),
               "schedule.name: plateau does not go with optim.name"));
  Config config = config_of({"schedule.name=plateau", "run.eval_every=2"});
  EXPECT_TRUE(contains(error_of([&] { RunSchedule(config).check_data({}); }),
                       "there are no data to validate on"));
}

TEST(StepOptions, F16HasALossScale) {
  auto scale = [](std::vector<std::string> overrides) {
    return step_options(config_of(std::move(overrides))).loss_scale;
  };
  EXPECT_FALSE(scale({}));
  EXPECT_FALSE(scale({"compute.dtype=bf16"}));
  StepOptions usual = step_options(config_of({"compute.dtype=f16"}));
  EXPECT_EQ(usual.dtype, DType::f16);
  ASSERT_TRUE(usual.loss_scale);
  EXPECT_EQ(usual.loss_scale->init_scale, 65536);
  EXPECT_FALSE(usual.loss_scale->constant);
  auto other = scale({"compute.dtype=f16", "compute.init_scale=8", "compute.growth_factor=3",
                      "compute.backoff_factor=0.25", "compute.growth_interval=7"});
  EXPECT_EQ(other->init_scale, 8);
  EXPECT_EQ(other->growth_factor, 3);
  EXPECT_EQ(other->backoff_factor, 0.25);
  EXPECT_EQ(other->growth_interval, 7);
  auto constant = scale({"compute.dtype=f16", "compute.loss_scale=128"});
  EXPECT_EQ(constant->init_scale, 128);
  EXPECT_TRUE(constant->constant);
}

TEST(StepOptions, ALossScaleThatMeansNothingIsAnError) {
  auto error = [](std::vector<std::string> overrides) {
    return error_of([&] { step_options(config_of(overrides)); });
  };
  EXPECT_EQ(error({"compute.loss_scale=8"}),
            "compute.loss_scale: it is of compute.dtype: f16, got f32");
  for (const char* key :
       {"init_scale=8", "growth_factor=3", "backoff_factor=0.1", "growth_interval=3"}) {
    std::string given = std::string("compute.") + key;
    EXPECT_TRUE(contains(error({given, "compute.dtype=bf16"}), "of compute.dtype: f16, got bf16"))
        << key;
    EXPECT_TRUE(contains(error({given, "compute.dtype=f16", "compute.loss_scale=4"}),
                         "it is of a scale that adapts, and compute.loss_scale: 4 stays"))
        << key;
    EXPECT_EQ(error({given, "compute.dtype=f16"}), "") << key;
  }
  for (const char* bad : {"loss_scale=0", "init_scale=1e39", "growth_factor=1", "backoff_factor=1",
                          "backoff_factor=0", "growth_interval=0"}) {
    EXPECT_TRUE(contains(error({"compute.dtype=f16", std::string("compute.") + bad}), "expected"))
        << bad;
  }
}

TEST(StepOptions, AMeanBeyondTheEndIsAnError) {
  auto error = [](std::vector<std::string> overrides) {
    return error_of([&] { step_options(config_of(overrides)); });
  };
  EXPECT_EQ(error({"run.steps=5", "optim.swa_start=5"}), "");
  EXPECT_EQ(error({"run.steps=5", "optim.swa_start=6"}),
            "optim.swa_start: 6 is beyond the 5 steps of run.steps");
}

TEST(StepOptions, ADeviceThatCannotTrainIsAnErrorThatSaysWhatIsMissing) {
  std::string error = error_of([] { step_options(config_of({"compute.device=cuda"})); });
  const cuda::Availability& available = cuda::availability();
  EXPECT_TRUE(contains(error, "compute.device: cuda: "));
  EXPECT_TRUE(contains(error, available.num_devices == 0 ? available.reason
                                                         : "a training step runs on the CPU only"));
  EXPECT_TRUE(contains(error_of([] { config_of({"compute.device=cudo"}); }),
                       "expected one of cpu, cuda, got 'cudo'; did you mean 'cuda'?"));
  EXPECT_TRUE(contains(error_of([] { config_of({"compute.device=meta"}); }),
                       "expected one of cpu, cuda, got 'meta'"));
}

TEST(StepOptions, AutoStandsForTheRanksOfANode) {
  Config config = config_of({"parallel.strategy=hybrid"});
  EXPECT_EQ(mesh_shape(config, 4).group, 4);
  EXPECT_TRUE(contains(error_of([&] { mesh_shape(config, 0); }), "parallel.group: auto"));
}

TEST(StepOptions, RanksShareTheLeavesOrAreTooMany) {
  Config config = config_of({"data.leaves=3"});
  check_ranks(config, 3);
  EXPECT_EQ(error_of([&] { check_ranks(config, 4); }),
            "data.leaves: 3 leaves cannot be shared by 4 ranks; every rank needs one");
}

}  // namespace
}  // namespace tessera::experiment
