// The folder layout of Hugging Face's GPT-2 models: config.json and model.safetensors, or several
// files listed by model.safetensors.index.json. As in transformers' GPT2LMHeadModel: weights of
// projections are (in, out), names begin with "transformer.", lm_head is tied to wte.
#pragma once

#include <memory>
#include <string>

#include "distributed/checkpoint/tensor_source.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment {

// Whether path is a folder with a config.json and weights beside it.
bool is_gpt2_folder(const std::string& path);

// Its tensors under the names and with the shapes of nn::Gpt, and a config in the metadata. An
// Error where the model is not one that nn::Gpt can be.
std::unique_ptr<TensorSource> open_gpt2(const std::string& path);

// Writes such a folder, which must not exist yet, from the tensors of an nn::Gpt. An Error where
// `config` has another model. Holds one tensor in memory at a time.
void write_gpt2(const std::string& path, const TensorSource& model, const Config& config);

}  // namespace tessera::experiment
