// Text from a trained language model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "nn/models/model.h"

namespace tessera::experiment {

struct SamplingOptions {
  int64_t length = 300;      // tokens to make
  double temperature = 0.8;  // 0: always the likeliest
  uint64_t seed = 1;
};

// Continues `prompt` (bytes, at least one) token by token, passing each to `emit`. The same seed
// gives the same text.
void sample_text(nn::Model& model, int64_t context, const std::string& prompt,
                 const SamplingOptions& options, const std::function<void(char)>& emit);

}  // namespace tessera::experiment
