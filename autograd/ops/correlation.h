// How variables go together: covariances, and distances between points.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// The covariances (n, n) of n variables, the rows of x (n, observations), or of one, x
// (observations,), their variance (). fweights, integers of at least 0, are how often each
// observation was made, aweights, floats of at least 0, how much each counts. Sums are divided by
// the number of observations (the sum of weights) less the correction, or by 0 where that is
// negative. Floats, and integers, which are converted to f32.
Tensor cov(TensorArg x, int64_t correction = 1, TensorArg fweights = {}, TensorArg aweights = {});
// The same over the deviations of both variables, in [-1, 1]; NaN for one that does not vary.
Tensor corrcoef(TensorArg x);

// The p-norms |a[i] - b[j]| for a (..., P, M) and b (..., R, M) of one floating dtype: (..., P, R).
// Leading dims broadcast. p is at least 0, and may be infinite; for p = 0 the number of elements
// that differ. Equal points have the gradient 0.
Tensor cdist(TensorArg a, TensorArg b, double p = 2);

// How many elements of x, of a floating dtype, lie in each of `bins` parts of one width of [low,
// high], high itself in the last one: of x's dtype. Without low < high, from the least element to
// the largest, or one below and above it where all are equal. No gradient.
Tensor histc(TensorArg x, int64_t bins = 100, double low = 0, double high = 0);

}  // namespace tessera
