#include "nn/loss.h"

#include "autograd/ops/loss.h"
#include "autograd/ops/shape.h"

namespace tessera::nn {

Loss cross_entropy_loss(TensorArg logits, TensorArg targets) {
  const Composed scope;
  TESSERA_CHECK(logits.dim() == targets.dim() + 1,
                "[cross_entropy_loss] expected targets of the leading shape of logits {}, got {}",
                logits.shape(), targets.shape());
  int64_t rows = targets.numel();
  // The sum over rows would not fit 16 bits.
  bool narrow = is_floating(logits.dtype()) && item_size(logits.dtype()) == 2;
  Tensor scores = narrow ? to(logits, DType::f32) : *logits;
  Tensor sum = cross_entropy(reshape(scores, {rows, logits.size(-1)}), reshape(targets, {rows}),
                             Reduction::sum);
  return {sum, static_cast<double>(rows)};
}

}  // namespace tessera::nn
