// The sections that every config has. A key is a member with its default, and a line in visit().
#pragma once

#include <array>
#include <optional>
#include <string>

#include "core/device.h"
#include "core/dtype.h"
#include "core/io/checksum.h"
#include "core/words.h"
#include "distributed/step_options.h"
#include "launcher/experiment/config/schema.h"

namespace tessera {

// As devices are written, without a number.
inline std::string name(DeviceType type) {
  std::string text = to_string(Device{type, 0});
  return text.substr(0, text.find(':'));
}

}  // namespace tessera

namespace tessera::experiment {

// The words of run.resume that are no path.
inline constexpr const char* kResumeNone = "none";
inline constexpr const char* kResumeAuto = "auto";

struct RunConfig {
  std::string name = "run";
  std::optional<std::string> dir;
  int64_t steps = 300;
  int64_t seed = 1;
  std::string resume = kResumeNone;
  std::optional<int64_t> stop_after;
  int64_t eval_every = 0;
  int64_t eval_batches = 16;
  bool accept_changes = false;

  void visit(FieldVisitor& v) {
    v("name", name, "name of the run; its directory is runs/NAME/TIME", file_name());
    v("dir", dir, "the run's directory, instead of runs/NAME/TIME", path());
    v("steps", steps, "number of optimizer steps", at_least(1));
    v("seed", seed, "seed of all random numbers", at_least(0));
    v("resume", resume,
      "none: a new run; auto: go on with the run in run.dir, or the newest of run.name; or the "
      "path of a checkpoint or a run",
      path({kResumeNone, kResumeAuto}));
    v("stop_after", stop_after, "stop after this step, with a checkpoint, as if interrupted",
      at_least(1));
    v("eval_every", eval_every, "steps from one evaluation to the next; 0: only at the end",
      at_least(0));
    v("eval_batches", eval_batches,
      "most batches of one evaluation, spread evenly over the validation data; 0: all of it",
      at_least(0));
    v("accept_changes", accept_changes,
      "go on from a checkpoint though its seed, data, model or kind of optimizer were others");
  }
};

struct InitConfig {
  std::optional<std::string> from;
  std::string map;

  void visit(FieldVisitor& v) {
    v("from", from,
      "take parameters from this checkpoint, file or GPT-2 folder where names and shapes are the "
      "same",
      path());
    v("map", map,
      "OLD=NEW,...: tensors whose names begin with OLD are taken as if they began with NEW, and "
      "none where NEW is -");
  }
};

struct ParallelConfig {
  Strategy strategy = Strategy::ddp;
  AutoInt group;
  ReductionMode reduction = ReductionMode::exact;  // or fast
  DType gradient_dtype = DType::f32;               // or bf16
  UnusedParameters unused_parameters = UnusedParameters::error;
  Start start = Start::compare;
  int64_t bucket_mib = 25;

  void visit(FieldVisitor& v) {
    v("strategy", strategy, "which parts of the training state are sharded over the ranks");
    v("group", group, "hybrid: ranks that share one copy of the model; auto: those of one node",
      in_range(1, 65536));
    v("reduction", reduction,
      "exact: the same bits for any number of ranks; fast: the backend's own",
      {ReductionMode::exact, ReductionMode::fast});
    v("gradient_dtype", gradient_dtype, "what gradients travel in when reduction is fast",
      {DType::f32, DType::bf16});
    v("unused_parameters", unused_parameters,
      "a parameter that no leaf of a step gives a gradient: an error, or a gradient of zero");
    v("start", start,
      "parameters and buffers that ranks begin with: compare makes a difference an error, "
      "broadcast takes rank 0's");
    v("bucket_mib", bucket_mib, "size of a gradient bucket, in MiB", in_range(1, 65536));
  }
};

enum class Recompute { none, blocks };
constexpr auto words_of(Recompute) {
  return std::array{Word{Recompute::none, "none"}, Word{Recompute::blocks, "blocks"}};
}

struct ComputeConfig {
  DeviceType device = DeviceType::cpu;  // or cuda
  DType dtype = DType::f32;             // of parameters and activations; or bf16, f16
  std::optional<double> loss_scale;     // of f16, and so are the next four
  double init_scale = LossScaleOptions().init_scale;
  double growth_factor = LossScaleOptions().growth_factor;
  double backoff_factor = LossScaleOptions().backoff_factor;
  int64_t growth_interval = LossScaleOptions().growth_interval;
  Recompute recompute = Recompute::none;
  AutoInt threads;
  bool detect_anomaly = false;

  void visit(FieldVisitor& v) {
    v("device", device, "where the run computes; cuda: what there is of CUDA does not train yet",
      {DeviceType::cpu, DeviceType::cuda});
    v("dtype", dtype,
      "element type of parameters and activations; bf16 and f16 keep and update f32 masters, f16 "
      "with losses scaled before backward",
      {DType::f32, DType::bf16, DType::f16});
    v("loss_scale", loss_scale, "of f16: a scale that stays; null: one that adapts",
      greater_than(0).in_f32());
    v("init_scale", init_scale, "of f16: the scale at first", greater_than(0).in_f32());
    v("growth_factor", growth_factor,
      "of f16: what the scale is multiplied by after growth_interval finite steps",
      greater_than(1).in_f32());
    v("backoff_factor", backoff_factor,
      "of f16: what it is multiplied by after a step that was not finite, which is skipped",
      between(0, 1).in_f32());
    v("growth_interval", growth_interval, "of f16: finite steps before the scale grows",
      at_least(1));
    v("recompute", recompute, "activations that backward makes again instead of keeping them");
    v("threads", threads, "compute threads of one rank", in_range(1, 1024));
    v("detect_anomaly", detect_anomaly,
      "stop at the first gradient that is NaN or infinite, and name its operation; slower");
  }
};

struct CheckpointConfig {
  int64_t every = 0;
  int64_t keep = 2;
  SwitchOrName best;
  ChecksumKind checksum = ChecksumKind::xxh3;
  AutoInt memory_every;
  int64_t memory_copies = 1;

  void visit(FieldVisitor& v) {
    v("every", every, "steps from one checkpoint to the next; 0: only at the end", at_least(0));
    v("keep", keep,
      "number of checkpoints to keep, newest first; one more until an update after the newest was "
      "finite",
      at_least(1));
    v("best", best,
      "keep the best one too, of those at an evaluation (run.eval_every): true: by the validation "
      "loss; or the name of a metric of the model, accuracy or perplexity, say");
    v("checksum", checksum, "xxh3 finds accidents, sha256 forgery too and is slower");
    v("memory_every", memory_every,
      "steps from one snapshot in memory to the next; 0: none; auto: 1 where tessera launch may "
      "restart the ranks",
      at_least(0));
    v("memory_copies", memory_copies, "2: each snapshot on another node too", in_range(1, 2));
  }
};

struct LogConfig {
  int64_t every = 10;

  void visit(FieldVisitor& v) {
    v("every", every, "steps from one progress line to the next", at_least(1));
  }
};

}  // namespace tessera::experiment
