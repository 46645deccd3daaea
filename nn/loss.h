// What a training step minimizes.
#pragma once

#include "autograd/ops/loss.h"
#include "autograd/tensor_arg.h"

namespace tessera::nn {

// A sum over samples (or tokens) and how many there are: the mean over a whole batch is then right
// however the batch was cut.
struct Loss {
  Tensor sum;         // zero-dimensional
  double weight = 0;  // what the sums of all leaves are divided by

  template <class F>
  void visit_tensors(F&& f) {
    f(sum);
  }
};

// Of logits (..., C) against targets i64 of the leading shape. The weight is how many targets
// count, that is, are not options.ignore_index; with weights of the classes, the sum of theirs.
// options.reduction has no meaning here.
Loss cross_entropy_loss(TensorArg logits, TensorArg targets,
                        const CrossEntropyOptions& options = {});

}  // namespace tessera::nn
