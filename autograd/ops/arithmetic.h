// Arithmetic, element by element. Operands broadcast as in NumPy and promote as core/promotion.h
// says; a Scalar changes the dtype of a result only where its kind (bool < integer < floating) is
// higher than the tensor's. Integers wrap around, and dividing them by zero is an error.
#pragma once

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

Tensor add(TensorArg a, TensorArg b);
Tensor add(TensorArg x, Scalar c);
// a + alpha b, rounded once. alpha is an integer where the result is, and bool only where it is.
Tensor add(TensorArg a, TensorArg b, Scalar alpha);
Tensor add(TensorArg x, Scalar c, Scalar alpha);
Tensor sub(TensorArg a, TensorArg b);
Tensor sub(TensorArg x, Scalar c);
Tensor sub(Scalar c, TensorArg x);
Tensor sub(TensorArg a, TensorArg b, Scalar alpha);
Tensor sub(TensorArg x, Scalar c, Scalar alpha);
Tensor mul(TensorArg a, TensorArg b);
Tensor mul(TensorArg x, Scalar c);
// Floating always: integers and bool are converted to f32.
Tensor div(TensorArg a, TensorArg b);
Tensor div(TensorArg x, Scalar c);
Tensor div(Scalar c, TensorArg x);
// The quotient's nearest integer below, or towards zero. Their gradients are zero.
Tensor floor_divide(TensorArg a, TensorArg b);
Tensor floor_divide(TensorArg x, Scalar c);
Tensor floor_divide(Scalar c, TensorArg x);
Tensor trunc_divide(TensorArg a, TensorArg b);
Tensor trunc_divide(TensorArg x, Scalar c);
// a - b floor(a / b), with the sign of b; and a - b trunc(a / b), with that of a.
Tensor remainder(TensorArg a, TensorArg b);
Tensor remainder(TensorArg x, Scalar c);
Tensor remainder(Scalar c, TensorArg x);
Tensor fmod(TensorArg a, TensorArg b);
Tensor fmod(TensorArg x, Scalar c);
// scale * x + shift, rounded once. Floating.
Tensor affine(TensorArg x, double scale, double shift);
// x + value a b, and x + value a / b
Tensor addcmul(TensorArg x, TensorArg a, TensorArg b, Scalar value = 1);
Tensor addcdiv(TensorArg x, TensorArg a, TensorArg b, Scalar value = 1);
// a + weight (b - a), exact at both ends.
Tensor lerp(TensorArg a, TensorArg b, TensorArg weight);
Tensor lerp(TensorArg a, TensorArg b, double weight);

// a to the power of b. Negative powers of integers are an error.
Tensor pow(TensorArg a, TensorArg b);
Tensor pow(TensorArg x, Scalar power);
Tensor pow(Scalar base, TensorArg x);
Tensor square(TensorArg x);
Tensor sqrt(TensorArg x);
Tensor rsqrt(TensorArg x);
Tensor reciprocal(TensorArg x);

Tensor neg(TensorArg x);
Tensor abs(TensorArg x);
// -1, 0 or 1; 0 for a NaN. Its gradient is zero, as are those of the roundings.
Tensor sign(TensorArg x);
Tensor floor(TensorArg x);
Tensor ceil(TensorArg x);
// Half to even.
Tensor round(TensorArg x);
Tensor trunc(TensorArg x);
// x - trunc(x)
Tensor frac(TensorArg x);

inline Tensor operator+(TensorArg a, TensorArg b) { return add(a, b); }
inline Tensor operator+(TensorArg x, Scalar c) { return add(x, c); }
inline Tensor operator+(Scalar c, TensorArg x) { return add(x, c); }
inline Tensor operator-(TensorArg a, TensorArg b) { return sub(a, b); }
inline Tensor operator-(TensorArg x, Scalar c) { return sub(x, c); }
inline Tensor operator-(Scalar c, TensorArg x) { return sub(c, x); }
inline Tensor operator*(TensorArg a, TensorArg b) { return mul(a, b); }
inline Tensor operator*(TensorArg x, Scalar c) { return mul(x, c); }
inline Tensor operator*(Scalar c, TensorArg x) { return mul(x, c); }
inline Tensor operator/(TensorArg a, TensorArg b) { return div(a, b); }
inline Tensor operator/(TensorArg x, Scalar c) { return div(x, c); }
inline Tensor operator/(Scalar c, TensorArg x) { return div(c, x); }
inline Tensor operator%(TensorArg a, TensorArg b) { return remainder(a, b); }
inline Tensor operator%(TensorArg x, Scalar c) { return remainder(x, c); }
inline Tensor operator%(Scalar c, TensorArg x) { return remainder(c, x); }
inline Tensor operator-(TensorArg x) { return neg(x); }

}  // namespace tessera
