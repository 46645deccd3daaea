#include "nn/block.h"

namespace tessera::nn {

std::vector<Tensor> run_block(const Module& block, const TensorFunction& forward,
                              const std::vector<Tensor>& inputs) {
  BlockRunner* runner = block.block_runner();
  return runner ? runner->run(block, forward, inputs) : forward(inputs);
}

}  // namespace tessera::nn
