// The training step that a config describes.
#pragma once

#include "distributed/train_step.h"
#include "launcher/experiment/config.h"

namespace tessera::experiment {

// `local_ranks`, of one machine, is what parallel.group: auto stands for. Throws ConfigError where
// keys contradict each other.
StepOptions step_options(const Config& config, int local_ranks);

// ConfigError if that many ranks cannot share the work.
void check_ranks(const Config& config, int num_ranks);

}  // namespace tessera::experiment
