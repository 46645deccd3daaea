// The checkpoints of one run, as its config wants them.
#pragma once

#include <functional>
#include <string>

#include "distributed/checkpoint/checkpointer.h"
#include "launcher/experiment/config/config.h"
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

// The checkpoints in the run's folder, with the config, the data and the build in each, and checked
// against them when a run goes on; and with what loop() gives then (CheckpointInfo::loop). best_by
// is what checkpoint.best says of the model. config and step outlive what is returned. A
// SharedError when some rank does not see the folder. A collective.
Checkpointer make_checkpointer(const Config& config, TrainStep& step, const std::string& data,
                               const RunDirectory& directory, const BestBy& best_by,
                               const std::function<std::string()>& loop);

// The plan's checkpoints, for Checkpointer::resume.
ResumeFrom resume_from(const StartPlan& plan);

}  // namespace tessera::experiment
