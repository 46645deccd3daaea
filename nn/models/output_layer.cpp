#include "nn/models/output_layer.h"

#include "core/kernels/matmul.h"

namespace tessera::nn {

bool makes_many_logits(int64_t rows, int64_t classes) {
  return rows > kWidePiece && classes >= kWide;
}

Loss OutputLayer::forward(const Tensor& x, const Tensor& targets) const {
  return linear_cross_entropy_loss(x, weight, bias, targets);
}

Loss OutputLayer::loss(const Tensor& x, const Tensor& targets) const {
  bool seen = hooks() || called_instead(*this);
  if (seen || !makes_many_logits(targets.numel(), weight.size(0))) {
    Tensor logits = (*this)(x);
    const Composed scope;
    return cross_entropy_loss(logits, targets);
  }
  return call(*this, kNowhere, x, targets);
}

}  // namespace tessera::nn
