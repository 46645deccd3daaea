// Connectionist temporal classification (Graves et al. 2006), as PyTorch defines it.
#pragma once

#include "autograd/ops/loss.h"

namespace tessera {

struct CtcLossOptions {
  int64_t blank = 0;  // the class that stands for no label
  // mean divides each loss by its number of labels (at least 1) and takes the mean of the batch.
  Reduction reduction = Reduction::mean;
  bool zero_infinity = false;  // sequences that no path spells count as 0, without a gradient
};

// -log of the probability that the first input_lengths[n] places of log_probs (T, N, C), floating,
// the logarithms of probabilities, spell sample n's labels, when repeated classes are merged and
// blanks left out: infinite where none can. targets holds labels in [0, C) other than the blank,
// i64 or i32: (N, S), of which the first target_lengths[n] count, or all of them one after the
// other (their sum,). Both lengths are i64 or i32 (N,). Or without N: (T, C), (S,), () and ().
// Computed in f64 on the CPU. Its gradient cannot be differentiated.
Tensor ctc_loss(TensorArg log_probs, TensorArg targets, TensorArg input_lengths,
                TensorArg target_lengths, const CtcLossOptions& options = {});

}  // namespace tessera
