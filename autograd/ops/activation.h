// Activation functions, element by element. Of floating dtypes, except where a line says otherwise.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// 1 / (1 + exp(-x)); integers and bool are converted to f32.
Tensor sigmoid(TensorArg x);
// log(sigmoid(x)), without overflow.
Tensor logsigmoid(TensorArg x);

// max(x, 0), and min(max(x, 0), 6); integers as well.
Tensor relu(TensorArg x);
Tensor relu6(TensorArg x);
// x, or slope x where x is negative; prelu's slope is a tensor: one number, or one per element of
// dim 1.
Tensor leaky_relu(TensorArg x, double slope = 0.01);
Tensor prelu(TensorArg x, TensorArg slope);
// x, or alpha (exp(x) - 1) where x is negative (Clevert et al. 2016), with exp(x / alpha) in celu
// (Barron 2017); selu scales elu so that layers keep mean and variance (Klambauer et al. 2017).
Tensor elu(TensorArg x, double alpha = 1);
Tensor celu(TensorArg x, double alpha = 1);
Tensor selu(TensorArg x);

// x P(X <= x) for a standard normal X (Hendrycks and Gimpel 2016).
enum class Gelu {
  exact,  // by erf
  tanh,   // P approximated by tanh
};
Tensor gelu(TensorArg x, Gelu form = Gelu::exact);
// x sigmoid(x)
Tensor silu(TensorArg x);
// x tanh(softplus(x)) (Misra 2020)
Tensor mish(TensorArg x);
// log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold. beta is not 0.
Tensor softplus(TensorArg x, double beta = 1, double threshold = 20);
// x / (1 + |x|)
Tensor softsign(TensorArg x);
// min(max(x + 3, 0), 6) / 6, and x times that (Howard et al. 2019).
Tensor hardsigmoid(TensorArg x);
Tensor hardswish(TensorArg x);
// min(max(x, low), high); of integers as well, the bounds cut off to integers.
Tensor hardtanh(TensorArg x, double low = -1, double high = 1);

// a sigmoid(b) for the halves a, b of x along dim, whose size is even (Dauphin et al. 2017).
Tensor glu(TensorArg x, int64_t dim = -1);

}  // namespace tessera
