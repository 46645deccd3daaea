// The training step that a config describes.
#pragma once

#include "distributed/train_step.h"
#include "launcher/experiment/config/config.h"

namespace tessera::experiment {

// Throws ConfigError where keys contradict each other, or ask for a device that cannot train here,
// with what this build or this machine lacks.
StepOptions step_options(const Config& config);

// `ranks_per_node` is as agreement.h counts them: parallel.group: auto stands for it under hybrid,
// and 0 is a ConfigError then.
MeshShape mesh_shape(const Config& config, int ranks_per_node);

// ConfigError if that many ranks cannot share the work.
void check_ranks(const Config& config, int num_ranks);

}  // namespace tessera::experiment
