// The keys of Llama's section, for models that share its attention.
#pragma once

#include "launcher/experiment/config/schema.h"
#include "nn/models/llama.h"

namespace tessera::experiment::models {

void visit_llama(FieldVisitor& v, nn::LlamaOptions& options);
// A ConfigError, naming the key, where they do not fit each other.
void check_llama(const nn::LlamaOptions& options);

}  // namespace tessera::experiment::models
