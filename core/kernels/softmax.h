// Softmax, its logarithm, and the cross-entropy on top of it. core/kernels.h has the rules for
// every family.
#pragma once

#include "core/array.h"

namespace tessera {

struct CrossEntropyArgs {
  Array weight;                 // of the classes: (cols,); undefined: ones
  int64_t ignore_index = -100;  // rows with this target have a loss and a gradient of zero
  double label_smoothing = 0;
};

// Arrays but targets are f32 or f64, all of one dtype.
class SoftmaxFamily {
 public:
  virtual ~SoftmaxFamily() = default;
  // Over the middle dim of (outer, size, inner), all row-major.
  virtual void softmax(const Array& x, const Array& y) const = 0;
  virtual void softmax_grad(const Array& y, const Array& dy, const Array& dx) const = 0;
  virtual void log_softmax(const Array& x, const Array& y) const = 0;
  virtual void log_softmax_grad(const Array& y, const Array& dy, const Array& dx) const = 0;
  // logits is (rows, cols), row-major, targets i64 of (rows,); an entry that is neither
  // ignore_index nor in [0, cols) is an error naming it. With w the classes' weights, t =
  // targets[i] and e = label_smoothing:
  //   lse[0, i] = logsumexp(logits[i]), and lse[1, i] what rounding took from it where that
  //   matters (core/kernels.h)
  //   losses[i] = (1 - e) w[t] (logsumexp(logits[i]) - logits[i, t])
  //             + e / cols * sum over j of w[j] (logsumexp(logits[i]) - logits[i, j])
  //   weights[i] = w[t], or 0 in an ignored row
  virtual void cross_entropy(const Array& logits, const Array& targets,
                             const CrossEntropyArgs& args, const Array& losses, const Array& lse,
                             const Array& weights) const = 0;
  // dlogits may be logits itself. With p = exp(logits - lse[0] - lse[1]): dlogits[i, j] =
  // dlosses[i] * ((1 - e) w[t] (p[i, j] - [j == t])
  //                                           + e / cols * (p[i, j] * sum(w) - w[j]))
  virtual void cross_entropy_grad(const Array& logits, const Array& targets,
                                  const CrossEntropyArgs& args, const Array& lse,
                                  const Array& dlosses, const Array& dlogits) const = 0;
};

}  // namespace tessera
