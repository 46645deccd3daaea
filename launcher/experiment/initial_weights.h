// Parameters that a run takes from elsewhere before its first step.
#pragma once

#include <string>
#include <vector>

#include "distributed/checkpoint/part.h"
#include "launcher/experiment/config/config.h"
#include "nn/module.h"

namespace tessera::experiment {

// A checksum of all that init.from names, which ranks compare: each reads it for itself.
std::string fingerprint_of_source(const std::string& path);

// What was taken, one line of text each.
using InitReport = std::vector<std::string>;

// Overwrites what this rank holds of the module's parameters and buffers with the tensors that
// init.from has under their names, init.map applied, converted to their dtypes. Those that it has
// not stay as they are, and are named. An Error when a shape differs or nothing fits.
InitReport take_initial_weights(const InitConfig& config, const nn::Module& module,
                                std::span<const HeldTensor> state);

}  // namespace tessera::experiment
