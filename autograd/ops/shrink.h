// Activations that replace small elements. Of floating dtypes, except where a line says otherwise;
// a NaN stays.
#pragma once

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// x where it is above the threshold, else value; integers as well, both numbers converted to x's
// dtype (an error for a value that it cannot hold). The gradient on the threshold is 0.
Tensor threshold(TensorArg x, Scalar threshold, Scalar value);
const Tensor& threshold_(SelfArg self, Scalar threshold, Scalar value);
// 0 where |x| <= lambda, else x; the gradient on the bounds is 0.
Tensor hardshrink(TensorArg x, double lambda = 0.5);
// 0 where |x| <= lambda, else x nearer to 0 by lambda >= 0.
Tensor softshrink(TensorArg x, double lambda = 0.5);
// x - tanh(x); integers are converted to f32.
Tensor tanhshrink(TensorArg x);

}  // namespace tessera
