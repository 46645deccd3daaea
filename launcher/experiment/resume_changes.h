// A run that goes on from a checkpoint: what is not as it was then, and whether that can be.
#pragma once

#include <string>
#include <vector>

#include "distributed/checkpoint/manifest.h"
#include "launcher/experiment/config/config.h"

namespace tessera::experiment {

// What a run is now, to be held against a checkpoint.
struct RunNow {
  const Config& config;
  std::string config_text;  // dump_yaml(config)
  std::string data;         // identity(DataSets)
  std::string build;        // as CheckpointInfo::build
};

// One line for each difference: what it was, what it is, and what that does. Keys that only say
// how the run is started or stopped are none.
std::vector<std::string> changes_since(const CheckpointInfo& checkpoint, const RunNow& now);

// An Error, beginning with `what`, where going on makes no sense: the run would end before the
// checkpoint; or, unless run.accept_changes says otherwise, with another seed, other data, another
// model, or another rule of the optimizer.
void check_resumable(const CheckpointInfo& checkpoint, const RunNow& now, const std::string& what);

}  // namespace tessera::experiment
