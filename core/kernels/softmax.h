// Softmax, its logarithm, and the cross-entropy on top of it. core/kernels.h has the rules for
// every family.
#pragma once

#include "core/array.h"

namespace tessera {

class SoftmaxFamily {
 public:
  virtual ~SoftmaxFamily() = default;
  // Over the last dim of (rows, cols), all row-major.
  virtual void softmax(const Array& x, const Array& y) const = 0;
  virtual void softmax_grad(const Array& y, const Array& dy, const Array& dx) const = 0;
  virtual void log_softmax(const Array& x, const Array& y) const = 0;
  virtual void log_softmax_grad(const Array& y, const Array& dy, const Array& dx) const = 0;
  // losses[i] = logsumexp(logits[i]) - logits[i, targets[i]], lse[i] = logsumexp(logits[i]).
  // targets is i64 of (rows,); an entry outside [0, cols) is an error naming it.
  virtual void cross_entropy(const Array& logits, const Array& targets, const Array& losses,
                             const Array& lse) const = 0;
  // dlogits[i, j] = dlosses[i] * (exp(logits[i, j] - lse[i]) - [j == targets[i]]).
  virtual void cross_entropy_grad(const Array& logits, const Array& targets, const Array& lse,
                                  const Array& dlosses, const Array& dlogits) const = 0;
};

}  // namespace tessera
