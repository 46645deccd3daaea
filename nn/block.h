// Blocks: modules that are made whole, and computed again, one at a time.
#pragma once

#include <vector>

#include "autograd/checkpoint.h"
#include "nn/module.h"

namespace tessera::nn {

// Stands around the forward of every block of a model (Module::make_block): makes the block's
// parameters whole first, say, or has backward compute it again. Whoever writes a model calls its
// blocks as any module.
class BlockRunner {
 public:
  virtual ~BlockRunner() = default;
  // forward(inputs), or tensors that are the same and lead to the same gradients. forward may run
  // again later; inputs are the tensors among the block's arguments, undefined ones included.
  virtual std::vector<Tensor> run(const Module& block, const TensorFunction& forward,
                                  const std::vector<Tensor>& inputs) = 0;
};

}  // namespace tessera::nn
