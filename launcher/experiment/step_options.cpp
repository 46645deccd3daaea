#include "launcher/experiment/step_options.h"

#include "core/cuda/cuda.h"
#include "launcher/experiment/run_schedule.h"

namespace tessera::experiment {

namespace {

// A step's buckets, and most kernels that models need, are on the CPU only.
void check_device(DeviceType device) {
  if (device == DeviceType::cpu) return;
  const cuda::Availability& cuda = cuda::availability();
  if (cuda.num_devices == 0) {
    throw ConfigError("compute.device: cuda: there is no CUDA device: " + cuda.reason);
  }
  throw ConfigError(
      fmt::format("compute.device: cuda: a training step runs on the CPU only so far; the CUDA "
                  "backend, with {} device{} here, is for operations on arrays",
                  cuda.num_devices, cuda.num_devices == 1 ? "" : "s"));
}

// An average in the place of a schedule is one of steps with one rate.
void check_schedule(const Config& config) {
  RunSchedule::check(config);
  if (!config.optim.as<OptimSection>().replaces_schedule() || config.schedule.name == "constant") {
    return;
  }
  throw ConfigError(
      fmt::format("schedule.name: {} does not go with optim.name: {}, which is for a rate that "
                  "stays (and has a warm-up of its own): constant does",
                  config.schedule.name, config.optim.name));
}

// Of f16 only: as GradScaler's, or one that stays.
std::optional<LossScaleOptions> loss_scale_of(const ComputeConfig& compute) {
  const ComputeConfig usual;
  const std::pair<const char*, bool> adapting[] = {
      {"init_scale", compute.init_scale != usual.init_scale},
      {"growth_factor", compute.growth_factor != usual.growth_factor},
      {"backoff_factor", compute.backoff_factor != usual.backoff_factor},
      {"growth_interval", compute.growth_interval != usual.growth_interval}};
  for (auto [key, given] : adapting) {
    if (given && compute.loss_scale) {
      throw ConfigError(
          fmt::format("compute.{}: it is of a scale that adapts, and compute.loss_scale: {} stays",
                      key, *compute.loss_scale));
    }
    if (given && compute.dtype != DType::f16) {
      throw ConfigError(
          fmt::format("compute.{}: it is of compute.dtype: f16, got {}", key, name(compute.dtype)));
    }
  }
  if (compute.dtype == DType::f16) {
    return LossScaleOptions{.init_scale = compute.loss_scale.value_or(compute.init_scale),
                            .growth_factor = compute.growth_factor,
                            .backoff_factor = compute.backoff_factor,
                            .growth_interval = compute.growth_interval,
                            .constant = compute.loss_scale.has_value()};
  }
  if (!compute.loss_scale) return std::nullopt;
  throw ConfigError(
      fmt::format("compute.loss_scale: it is of compute.dtype: f16, got {}", name(compute.dtype)));
}

// The mean of a run that ends before it begins would be the last parameters.
void check_swa(const Config& config) {
  const std::optional<int64_t>& start = config.optim.as<OptimSection>().swa_start;
  if (!start || *start <= config.run.steps) return;
  throw ConfigError(fmt::format("optim.swa_start: {} is beyond the {} steps of run.steps", *start,
                                config.run.steps));
}

void check_loss_scale(const Config& config) {
  if (config.compute.dtype != DType::f16) return;
  if (!config.optim.as<OptimSection>().asks_for_loss()) return;
  throw ConfigError(fmt::format(
      "compute.dtype: f16 goes with losses that are scaled, and optim.name: {} asks for the losses "
      "themselves; bf16 and f32 need no scale",
      config.optim.name));
}

}  // namespace

StepOptions step_options(const Config& config) {
  check_device(config.compute.device);
  check_schedule(config);
  check_swa(config);
  check_loss_scale(config);
  const ParallelConfig& parallel = config.parallel;
  StepOptions options{.leaves = config.data.as<DataSection>().leaves,
                      .clip_value = config.optim.as<OptimSection>().clip_value,
                      .clip_norm = config.optim.as<OptimSection>().clip_norm,
                      .strategy = parallel.strategy,
                      .bucket_bytes = parallel.bucket_mib << 20,
                      .seed = static_cast<uint64_t>(config.run.seed),
                      .recompute = config.compute.recompute == Recompute::blocks};
  bool narrow = parallel.gradient_dtype == DType::bf16;
  if (narrow && parallel.reduction != ReductionMode::fast) {
    throw ConfigError(
        "parallel.gradient_dtype: bf16 rounds sums on their way, which reduction: exact never "
        "does; it goes with reduction: fast");
  }
  options.reduction = narrow ? ReductionMode::fast_bf16 : parallel.reduction;
  if (config.compute.dtype != DType::f32) options.dtype = config.compute.dtype;
  options.loss_scale = loss_scale_of(config.compute);
  options.unused = parallel.unused_parameters;
  options.start = parallel.start;
  return options;
}

MeshShape mesh_shape(const Config& config, int ranks_per_node) {
  const ParallelConfig& parallel = config.parallel;
  MeshShape shape{.ranks_per_node = ranks_per_node};
  if (parallel.strategy != Strategy::hybrid) return shape;
  if (ranks_per_node == 0 && !parallel.group.value) {
    throw ConfigError(
        "parallel.group: auto stands for the ranks of a node, and here nodes have different "
        "numbers of them or they are mixed");
  }
  shape.group = static_cast<int>(parallel.group.value.value_or(ranks_per_node));
  return shape;
}

void check_ranks(const Config& config, int num_ranks) {
  const AutoInt& group = config.parallel.group;
  if (config.parallel.strategy == Strategy::hybrid && group.value &&
      num_ranks % *group.value != 0) {
    throw ConfigError(fmt::format("parallel.group: {} ranks do not divide into groups of {}",
                                  num_ranks, *group.value));
  }
  const auto& data = config.data.as<DataSection>();
  int64_t leaves = data.leaves;
  int64_t samples = 0;
  if (__builtin_mul_overflow(leaves * data.micro_batch, config.run.steps, &samples)) {
    throw ConfigError(fmt::format("run.steps: {} steps of {} samples are more than can be counted",
                                  config.run.steps, leaves * data.micro_batch));
  }
  if (leaves >= num_ranks) return;
  throw ConfigError(
      fmt::format("data.leaves: {} {} cannot be shared by {} ranks; every rank needs one", leaves,
                  leaves == 1 ? "leaf" : "leaves", num_ranks));
}

}  // namespace tessera::experiment
