// Random numbers whose distributions have tensors of parameters, element by element, from the
// calling thread's Context. Element i depends on its own parameters, the stream and i alone.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// Gamma numbers of these concentrations, finite and above 0, and of scale 1; a 0 is the smallest
// normal number instead. The gradient is that of a number whose quantile stays (Figurnov, Mohamed
// and Mnih 2018); it cannot be differentiated.
Tensor standard_gamma(TensorArg concentration);
// Points of a simplex, dirichlet-distributed: concentration (..., K), finite and above 0; each row
// of the result adds up to 1, and no number of it is 0 or 1. The gradient is as above.
Tensor dirichlet(TensorArg concentration);
// Counts of that mean, which is finite and at least 0: of its dtype, floating.
Tensor poisson(TensorArg rate);
// Successes among so many trials, a whole number of at least 0, each with probability p in [0, 1].
// The operands broadcast; of the floating dtype of both.
Tensor binomial(TensorArg count, TensorArg p);

}  // namespace tessera
