// The output layer of a language model, which knows the loss of its logits.
#pragma once

#include "nn/layers/linear.h"
#include "nn/loss.h"

namespace tessera::nn {

// Whether so many rows of logits are better not held all at once
// (autograd/ops/linear_cross_entropy.h).
bool makes_many_logits(int64_t rows, int64_t classes);

// x (..., width) -> logits (..., classes).
class OutputLayer : public Linear {
 public:
  using Linear::Linear;
  Tensor forward(const Tensor& x) const override { return Linear::forward(x); }
  Loss forward(const Tensor& x, const Tensor& targets) const;

  // cross_entropy_loss of the logits, which are not held all at once where they are many, unless
  // somebody looks at them: a hook, or a module in the place of this one.
  Loss loss(const Tensor& x, const Tensor& targets) const;
};

}  // namespace tessera::nn
