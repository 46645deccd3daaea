// Elementwise functions. Two tensors broadcast as in NumPy and share a dtype, f32 or f64.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

Tensor add(TensorArg a, TensorArg b);
Tensor sub(TensorArg a, TensorArg b);
Tensor mul(TensorArg a, TensorArg b);
Tensor div(TensorArg a, TensorArg b);
// The larger, the smaller; a NaN in either is the result. Equal elements share the gradient.
Tensor maximum(TensorArg a, TensorArg b);
Tensor minimum(TensorArg a, TensorArg b);
// scale * x + shift
Tensor affine(TensorArg x, double scale, double shift);

Tensor neg(TensorArg x);
Tensor abs(TensorArg x);
// -1, 0 or 1; its gradient is zero.
Tensor sign(TensorArg x);
Tensor square(TensorArg x);
Tensor sqrt(TensorArg x);
Tensor exp(TensorArg x);
Tensor log(TensorArg x);
Tensor reciprocal(TensorArg x);
Tensor tanh(TensorArg x);
Tensor sigmoid(TensorArg x);
Tensor relu(TensorArg x);
// x P(X <= x) for a standard normal X: the exact form, with erf.
Tensor gelu(TensorArg x);

inline Tensor operator+(TensorArg a, TensorArg b) { return add(a, b); }
inline Tensor operator-(TensorArg a, TensorArg b) { return sub(a, b); }
inline Tensor operator*(TensorArg a, TensorArg b) { return mul(a, b); }
inline Tensor operator/(TensorArg a, TensorArg b) { return div(a, b); }
inline Tensor operator-(TensorArg x) { return neg(x); }
inline Tensor operator+(TensorArg x, double c) { return affine(x, 1, c); }
inline Tensor operator+(double c, TensorArg x) { return affine(x, 1, c); }
inline Tensor operator-(TensorArg x, double c) { return affine(x, 1, -c); }
inline Tensor operator-(double c, TensorArg x) { return affine(x, -1, c); }
inline Tensor operator*(TensorArg x, double c) { return affine(x, c, 0); }
inline Tensor operator*(double c, TensorArg x) { return affine(x, c, 0); }
// Divides: the bits differ from those of a product with 1 / c.
Tensor operator/(TensorArg x, double c);
inline Tensor operator/(double c, TensorArg x) { return affine(reciprocal(x), c, 0); }

}  // namespace tessera
