// The checkpoints of one run: where it starts from, and what it saves.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "distributed/checkpoint/checkpoint_saver.h"
#include "distributed/checkpoint/memory_snapshots.h"
#include "distributed/train_step.h"
#include "launcher/experiment/config/config.h"
#include "launcher/experiment/resume_changes.h"
#include "launcher/experiment/run_directory.h"
#include "launcher/experiment/start_plan.h"

namespace tessera::experiment {

// The environment's name of the folder for snapshots in memory.
inline constexpr const char* kSnapshotFolder = "TESSERA_SNAPSHOT_DIR";

// An Error where a run cannot begin as run.resume and init say, as far as that is seen without
// reading tensors: so that it fails before it leaves anything behind. `data` is identity() of the
// run's data.
void check_start(const Config& config, const nn::Module& model, const optim::Optimizer& optimizer,
                 const std::string& data);

class RunCheckpoints {
 public:
  struct Parts {
    const Config& config;
    const nn::Module& model;
    const optim::Optimizer& optimizer;
    TrainStep& step;
    Communicator& comm;
    std::string data;  // identity() of the run's data
  };
  // A SharedError when some rank does not see the run's folder. A collective.
  RunCheckpoints(const Parts& parts, const RunDirectory& directory);

  struct Start {
    int64_t step = 0;                // steps done
    int64_t position = 0;            // in the data
    std::string from;                // empty: the beginning
    std::vector<std::string> notes;  // what the user should know: what was passed over, and why
  };
  // Puts the state where the plan says. A SharedError where that cannot be. A collective.
  Start start(const StartPlan& plan);

  // What is due after a step; a snapshot that cannot be taken is named, and the run goes on. A
  // SharedError, and nothing is saved, where the state is not finite; where the validation loss is
  // not, nothing is saved of this step. A collective.
  void after_step(int64_t position, std::optional<double> valid_loss);
  // Saves now, and returns the checkpoint's path when it is complete. A SharedError on every rank
  // if it fails on one, or if the state is not finite. With a digest it is the run's last; then,
  // where the validation loss is not finite, it is set aside, so that nothing goes on from it. A
  // collective.
  std::string save(int64_t position, std::optional<double> valid_loss,
                   std::optional<std::string> digest);
  // Waits for the save that is under way in the background.
  void wait() { saver_->wait(); }
  // What to tell of saves in the background that ended since the last call, and of snapshots.
  struct Messages {
    std::vector<std::string> done;
    std::vector<std::string> failed;
  };
  Messages take_messages();

 private:
  void check_visible();
  std::vector<std::string> candidates(const StartPlan& plan);
  // These return what is wrong with it, the same on every rank; or nothing, and then it is loaded.
  std::string try_memory(Start& start);
  std::string try_checkpoint(const std::string& path, Start& start);
  void check_fits(const CheckpointInfo& info, const Manifest& manifest, const std::string& path);
  void begin_at(const CheckpointInfo& info, const std::string& from, Start& start);
  void set_aside(const std::string& path, Start& start);
  void require_finite() const;
  std::string build() const;
  RunNow now() const { return {config_, config_text_, data_, build()}; }
  CheckpointInfo info(int64_t position, std::optional<double> valid_loss,
                      std::optional<std::string> digest) const;

  const Config& config_;
  const nn::Module& model_;
  const optim::Optimizer& optimizer_;
  TrainStep& step_;
  Communicator& comm_;
  std::string run_;  // the folder's canonical path
  std::string config_text_;
  std::string data_;
  int64_t memory_every_ = 0;
  int64_t generation_ = 0;
  std::optional<CheckpointSaver> saver_;
  std::optional<MemorySnapshots> memory_;
  bool from_memory_ = false;
  bool prune_due_ = false;  // once another step was finite
  Messages messages_;
};

}  // namespace tessera::experiment
