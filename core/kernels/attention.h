// Attention. core/kernels.h has the rules for every family.
#pragma once

#include "core/array.h"
#include "core/philox.h"

namespace tessera {

struct AttentionArgs {
  double scale = 1;
  bool causal = false;  // hides the keys after each query, counted from the start of both
  // Undefined, or (B, H, T, S) of any strides: bool (true takes part), or added to the scores, of
  // lse's dtype. Not together with causal.
  Array mask = {};
  // Probability p of leaving a key out: the weight of element i of (B, H, T, S) is multiplied by
  // element i of RandomFamily::dropout_mask(dropout_stream, 0, p) in lse's dtype.
  double dropout_p = 0;
  RandomStream dropout_stream = {};
};

// Attention over heads: q, out and their gradients are (B, H, T, D or E), k, v and theirs
// (B, H / group, S, D or E): head h reads the keys of head h / group. All of one floating dtype,
// with stride 1 in the last dim and any other strides. lse is (2, B, H, T) row-major, f64 for f64,
// else f32, in which everything is computed. Memory beside the arguments is linear in T and S.
class AttentionFamily {
 public:
  virtual ~AttentionFamily() = default;
  // out = softmax(scale * q k^T + mask) v, and zero where a query sees no key (all its scores are
  // minus infinity). lse[0] is the logsumexp of a row's scores, plus infinity where there is no
  // key, and lse[1] what rounding took from it where that matters (core/kernels.h).
  virtual void run(const Array& q, const Array& k, const Array& v, const AttentionArgs& args,
                   const Array& out, const Array& lse) const = 0;
  // dscores, undefined where it is not wanted and with causal, is (B, H, T, S) row-major of lse's
  // dtype: the gradient of what was added to the scores.
  virtual void grad(const Array& q, const Array& k, const Array& v, const Array& out,
                    const Array& lse, const Array& dout, const AttentionArgs& args, const Array& dq,
                    const Array& dk, const Array& dv, const Array& dscores) const = 0;
};

}  // namespace tessera
