#include "nn/loss.h"

#include "autograd/ops/loss.h"

namespace tessera::nn {

Loss cross_entropy_loss(const Tensor& logits, const Tensor& targets) {
  return {cross_entropy(logits, targets, Reduction::sum), static_cast<double>(targets.numel())};
}

}  // namespace tessera::nn
