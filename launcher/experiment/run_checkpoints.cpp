#include "launcher/experiment/run_checkpoints.h"

#include <cstdlib>
#include <filesystem>

#include "core/cpu/cpu.h"
#include "distributed/agreement.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/initial_weights.h"
#include "launcher/experiment/process_info.h"
#include "launcher/experiment/resume_changes.h"
#include "launcher/experiment/run_schedule.h"
#include "launcher/job/launched_job.h"

namespace tessera::experiment {
namespace {

std::string canonical(const std::string& path) {
  std::error_code error;
  auto found = std::filesystem::weakly_canonical(path, error);
  return error ? path : found.string();
}

std::string build_of_this_run() {
  return fmt::format("{}, {}", build_id(), cpu::instruction_set());
}

// The launcher names a folder where it may restart the ranks.
SnapshotOptions snapshot_options(const CheckpointConfig& config) {
  const char* named = std::getenv(kSnapshotFolder);
  std::string folder = named ? named : "";
  bool launched = !folder.empty() && !job::launched_job().id.empty();
  int64_t every = config.memory_every.value.value_or(launched ? 1 : 0);
  if (every == 0) return {};
  if (folder.empty()) {
    throw SharedError(fmt::format(
        "checkpoint.memory_every: snapshots in memory need a folder for them, named by {}: one "
        "in /dev/shm, say",
        kSnapshotFolder));
  }
  return {folder, every, config.memory_copies > 1};
}

}  // namespace

void check_start(const Config& config, const nn::Module& model, const optim::Optimizer& optimizer,
                 const std::string& data) {
  const std::string& resume = config.run.resume;
  if (resume == kResumeNone && config.init.from) take_initial_weights(config.init, model, {});
  if (resume == kResumeNone || resume == kResumeAuto) return;
  CheckpointReader reader(checkpoint_to_resume(resume));
  std::string what = "run.resume: " + reader.path();
  check_same_tensors(reader.manifest(), model, optimizer, what);
  check_resumable(reader.manifest().info, {config, dump_yaml(config), data, build_of_this_run()},
                  what);
}

Checkpointer make_checkpointer(const Config& config, TrainStep& step, const std::string& data,
                               const RunDirectory& directory, const BestBy& best_by,
                               const std::function<std::string()>& loop) {
  const CheckpointConfig& keys = config.checkpoint;
  RunNow now{config, dump_yaml(config), data, build_of_this_run()};
  CheckpointerOptions options{.every = keys.every,
                              .keep = keys.keep,
                              .keep_best = keys.best.on,
                              .best_by = best_by,
                              .checksum = keys.checksum,
                              .snapshots = snapshot_options(keys)};
  options.describe = [now, &step, loop, run = canonical(directory.path())] {
    return CheckpointInfo{.seed = now.config.run.seed,
                          .data = now.data,
                          .next_lr = planned_lr(now.config, step.steps_done()),
                          .run = run,
                          .build = now.build,
                          .strategy = std::string(name(now.config.parallel.strategy)),
                          .config = now.config_text,
                          .loop = loop()};
  };
  options.accept = [now](const CheckpointInfo& info, const std::string& what) {
    check_resumable(info, now, what);
    return changes_since(info, now);
  };
  return Checkpointer(step, directory.checkpoints(), std::move(options));
}

ResumeFrom resume_from(const StartPlan& plan) {
  return {plan.checkpoints, plan.may_pass_over,
          plan.may_pass_over ? "run.resume: auto" : "run.resume"};
}

}  // namespace tessera::experiment
