// A linear layer and the cross-entropy of what it gives, in one.
#pragma once

#include <optional>

#include "autograd/ops/loss.h"

namespace tessera {

// cross_entropy(linear(x, weight, bias), targets): x (..., in), weight (classes, in), bias
// (classes,) or undefined, targets i64 of x's leading shape -> losses of that shape, their sum or
// their mean, in `dtype` (x's unless given). The bits are those of the two functions apart, of the
// gradients too.
//
// From kWide classes and more rows than kWidePiece on (core/kernels/matmul.h) the logits exist only
// kWidePiece rows at a time. Of a sum or a mean the gradients of x, weight and bias are made
// together with the losses, each once; a gradient of the loss other than 1, or a loss for each
// place, has them made in backward, from logits that are computed again. A gradient that is to be
// differentiated in its turn holds all logits.
Tensor linear_cross_entropy(TensorArg x, TensorArg weight, TensorArg bias, TensorArg targets,
                            const CrossEntropyOptions& options = {},
                            std::optional<DType> dtype = {});

}  // namespace tessera
