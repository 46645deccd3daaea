// A trained model as one safetensors file, with the config that it came from.
#pragma once

#include <memory>
#include <string>

#include "launcher/experiment/components.h"

namespace tessera::experiment {

struct CheckpointInfo {
  int64_t step = 0;
  std::string digest;
  std::string config;  // YAML, as resolved
};

// Atomic: the file is whole or absent.
void save_checkpoint(const std::string& path, const nn::StateDict& state,
                     const CheckpointInfo& info);

struct LoadedModel {
  CheckpointInfo info;
  Config config;
  std::unique_ptr<nn::Model> model;
};

// path is a checkpoint file or a run's directory, whose newest checkpoint is taken. Errors name
// the file.
LoadedModel load_checkpoint(const std::string& path, const Catalog& catalog);

// The file that path stands for.
std::string find_checkpoint(const std::string& path);

}  // namespace tessera::experiment
