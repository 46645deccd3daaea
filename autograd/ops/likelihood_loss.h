// Losses that are negative log likelihoods of numbers, as PyTorch defines them. Operands broadcast
// and promote to a floating dtype, which the result has; 16-bit floats are computed in f32 and
// rounded once. Reductions are those of loss.h.
#pragma once

#include "autograd/ops/loss.h"

namespace tessera {

struct PoissonNllLossOptions {
  bool log_input = true;  // x is the logarithm of the rate
  bool full = false;      // with Stirling's approximation of log(target!), for targets above 1
  double eps = 1e-8;      // added to a rate before its logarithm is taken
  Reduction reduction = Reduction::mean;
};

// Of counts under a Poisson distribution: exp(x) - target x, or x - target log(x + eps).
Tensor poisson_nll_loss(TensorArg x, TensorArg target, const PoissonNllLossOptions& options = {});

struct GaussianNllLossOptions {
  bool full = false;  // with the constant log(2 pi) / 2
  double eps = 1e-6;  // the least variance; the gradient is as if there were none
  Reduction reduction = Reduction::mean;
};

// (log var + (x - target)^2 / var) / 2. var, none of which is negative, has x's shape, or that with
// one dim of size 1, or that without the last dim; or it is one number.
Tensor gaussian_nll_loss(TensorArg x, TensorArg target, TensorArg var,
                         const GaussianNllLossOptions& options = {});
Tensor gaussian_nll_loss(TensorArg x, TensorArg target, double var,
                         const GaussianNllLossOptions& options = {});

}  // namespace tessera
