// Exponentials, logarithms, trigonometry and special functions, element by element. Results are
// floating: integers and bool are converted to f32.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

Tensor exp(TensorArg x);
Tensor exp2(TensorArg x);
// exp(x) - 1 and log(1 + x), exact near 0.
Tensor expm1(TensorArg x);
Tensor log1p(TensorArg x);
Tensor log(TensorArg x);
Tensor log2(TensorArg x);
Tensor log10(TensorArg x);
// log(exp(a) + exp(b)) and log2(2^a + 2^b) without overflow. Of floating dtypes.
Tensor logaddexp(TensorArg a, TensorArg b);
Tensor logaddexp2(TensorArg a, TensorArg b);

Tensor sin(TensorArg x);
Tensor cos(TensorArg x);
Tensor tan(TensorArg x);
Tensor asin(TensorArg x);
Tensor acos(TensorArg x);
Tensor atan(TensorArg x);
// The angle of the point (x, y), in (-pi, pi]; its gradient at the origin is 0.
Tensor atan2(TensorArg y, TensorArg x);
Tensor sinh(TensorArg x);
Tensor cosh(TensorArg x);
Tensor tanh(TensorArg x);
Tensor asinh(TensorArg x);
Tensor acosh(TensorArg x);
Tensor atanh(TensorArg x);

Tensor erf(TensorArg x);
// 1 - erf(x), exact for large x.
Tensor erfc(TensorArg x);
// The inverse of erf, on (-1, 1).
Tensor erfinv(TensorArg x);
// log |gamma(x)|, and its derivative; polygamma of special.h gives the higher ones.
Tensor lgamma(TensorArg x);
Tensor digamma(TensorArg x);

}  // namespace tessera
