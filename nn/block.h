// Blocks: parts of a model that are made whole, and computed again, one at a time.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/checkpoint.h"
#include "nn/module.h"

namespace tessera::nn {

// Stands around the forward of every block of a model: makes the block's parameters whole first,
// say, or has backward compute it again.
class BlockRunner {
 public:
  virtual ~BlockRunner() = default;
  // forward(inputs), or tensors that are the same and lead to the same gradients.
  virtual std::vector<Tensor> run(const Module& block, const TensorFunction& forward,
                                  const std::vector<Tensor>& inputs) = 0;
};

// The forward of a module that make_block() made a block. What goes in and out of it goes through
// `inputs` and the result: parameters of the block are used inside forward only, and forward uses
// no tensors with a history from outside.
std::vector<Tensor> run_block(const Module& block, const TensorFunction& forward,
                              const std::vector<Tensor>& inputs);

// block(input).
template <class Block>
Tensor run_block(const Block& block, const Tensor& input, CallSite site = {}) {
  TensorFunction forward = [&block, site](const std::vector<Tensor>& inputs) {
    if constexpr (std::is_invocable_v<const Block&, const Tensor&, CallSite>) {
      return std::vector<Tensor>{block(inputs[0], site)};
    } else {
      return std::vector<Tensor>{block(inputs[0])};
    }
  };
  return run_block(block, forward, std::vector<Tensor>{input})[0];
}

}  // namespace tessera::nn
