// What a training step is told when it is made.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/dtype.h"
#include "core/words.h"
#include "distributed/loss_scale.h"
#include "distributed/reduction_mode.h"
#include "distributed/shard.h"

namespace tessera {

// What becomes of a parameter that no leaf of a step gave a gradient.
enum class UnusedParameters { error, zero };
constexpr auto words_of(UnusedParameters) {
  return std::array{Word{UnusedParameters::error, "error"}, Word{UnusedParameters::zero, "zero"}};
}

// What ranks do about their parameters and buffers before the first step: compare them, a
// difference being an error, or take rank 0's values.
enum class Start { compare, broadcast };
constexpr auto words_of(Start) {
  return std::array{Word{Start::compare, "compare"}, Word{Start::broadcast, "broadcast"}};
}

struct StepOptions {
  int64_t leaves = 1;     // in a global batch; at least one for every rank
  double clip_value = 0;  // of each element of the mean gradient, by itself; 0 does not clip
  double clip_norm = 0;   // of the whole gradient, after clip_value; 0 does not clip
  Strategy strategy = Strategy::ddp;
  ReductionMode reduction = ReductionMode::exact;
  int64_t bucket_bytes = int64_t{25} << 20;
  uint64_t seed = 1;  // of the random numbers inside leaves
  // What parameters, and so the model's products, are computed in: f32 masters of them are kept and
  // updated, and gradients are summed in f32. Unset: parameters stay as they are.
  std::optional<DType> dtype = {};
  // Losses are scaled before backward, for a dtype of f16. Where each leaf's gradients are summed
  // they are themselves again: in StepGradients, norms, clipping and the update. Hooks and
  // tensors' grads see scaled ones. Unset: losses stay as they are.
  std::optional<LossScaleOptions> loss_scale = {};
  bool recompute = false;  // activations of blocks are made again for backward
  UnusedParameters unused = UnusedParameters::error;
  Start start = Start::compare;
};

}  // namespace tessera
