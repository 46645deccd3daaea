// Trained models from what they are kept in: a run's folder, a checkpoint, one file.
#pragma once

#include <memory>
#include <string>

#include "distributed/checkpoint/tensor_source.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment {

// What path stands for: a run's folder, or that of its checkpoints, for the newest complete one; a
// checkpoint's manifest, `latest` and `best` for the checkpoint; anything else for itself. An Error
// when a folder is neither a run's nor a checkpoint's nor a GPT-2 model's (gpt2_layout.h).
std::string resolve_checkpoint(const std::string& path);

// An Error, which says what the file is, where it is recognizably no safetensors file.
void refuse_other_kinds(const std::string& path, const std::string& expected);

// A checkpoint, a run's folder, a GPT-2 model's folder, or a .safetensors or .npz file.
std::unique_ptr<TensorSource> open_tensors(const std::string& path);

// Which values of a parameter are meant: the trained ones, or their moving average (optim.ema) or
// mean (optim.swa_start).
enum class Weights { trained, ema, swa };

// The tensors of the model in a source, without the optimizer's state; under Weights::ema and swa
// parameters are their averages, an Error where there are none.
std::unique_ptr<TensorSource> model_tensors(std::unique_ptr<TensorSource> source, Weights weights);

// The config in a source's metadata; an Error, naming the source, if there is none.
Config config_of(const TensorSource& source, const Catalog& catalog);

struct LoadedModel {
  Config config;
  std::unique_ptr<nn::Model> model;
};

// Errors name the file.
LoadedModel load_model(const std::string& path, const Catalog& catalog,
                       Weights weights = Weights::trained);

}  // namespace tessera::experiment
