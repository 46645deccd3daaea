#include "nn/loss.h"

#include "autograd/ops/loss.h"
#include "autograd/ops/shape.h"

namespace tessera::nn {

Loss cross_entropy_loss(const Tensor& logits, const Tensor& targets) {
  TESSERA_CHECK(logits.dim() == targets.dim() + 1,
                "[cross_entropy_loss] expected targets of the leading shape of logits {}, got {}",
                logits.shape(), targets.shape());
  int64_t rows = targets.numel();
  Tensor sum = cross_entropy(reshape(logits, {rows, logits.size(-1)}), reshape(targets, {rows}),
                             Reduction::sum);
  return {sum, static_cast<double>(rows)};
}

}  // namespace tessera::nn
