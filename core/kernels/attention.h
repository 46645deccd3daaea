// Attention. core/kernels.h has the rules for every family.
#pragma once

#include "core/array.h"

namespace tessera {

// Attention over heads: q, k, v, out and their gradients are (B, H, T, D) with stride 1 in D and
// any other strides; lse, the logsumexp of a row's scores, is (B, H, T) row-major.
class AttentionFamily {
 public:
  virtual ~AttentionFamily() = default;
  // out = softmax(scale * q k^T) v; causal hides keys after the query.
  virtual void run(const Array& q, const Array& k, const Array& v, double scale, bool causal,
                   const Array& out, const Array& lse) const = 0;
  virtual void grad(const Array& q, const Array& k, const Array& v, const Array& out,
                    const Array& lse, const Array& dout, double scale, bool causal, const Array& dq,
                    const Array& dk, const Array& dv) const = 0;
};

}  // namespace tessera
