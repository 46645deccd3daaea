// Variances, norms and logsumexp over dims, of floating tensors. Without dims, over all elements;
// keepdim leaves the dims as sizes of 1. Errors: another dtype; a dim outside of [-rank, rank), or
// named twice.
#pragma once

#include "autograd/ops/dims_arg.h"
#include "autograd/tensor_arg.h"

namespace tessera {

// sum((x - mean)^2) / max(0, n - correction) for n elements, in two passes; and its square root. So
// a single element has the variance NaN, unless the correction is 0.
Tensor var(TensorArg x, const DimsArg& dims = {}, double correction = 1, bool keepdim = false);
Tensor std(TensorArg x, const DimsArg& dims = {}, double correction = 1, bool keepdim = false);
struct VarMean {
  Tensor var;
  Tensor mean;
};
VarMean var_mean(TensorArg x, const DimsArg& dims = {}, double correction = 1,
                 bool keepdim = false);
struct StdMean {
  Tensor std;
  Tensor mean;
};
StdMean std_mean(TensorArg x, const DimsArg& dims = {}, double correction = 1,
                 bool keepdim = false);

// (sum of |x|^p)^(1/p) for any p; for p = 0 the number of nonzeros, for p = +-infinity the largest
// or smallest |x|. Where the norm is 0, or has no slope, the gradient is 0. An error for no
// elements where p is negative or infinite.
Tensor norm(TensorArg x, double p = 2, const DimsArg& dims = {}, bool keepdim = false);
// log(sum of exp(x)), without overflow; -infinity for no elements.
Tensor logsumexp(TensorArg x, const DimsArg& dims = {}, bool keepdim = false);

}  // namespace tessera
