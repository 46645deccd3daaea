// Comparisons, logic and bits, element by element, with broadcasting. Results of comparisons,
// tests and logic are bool; none of these has a gradient. A comparison with a NaN is false, except
// for ne.
#pragma once

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

Tensor eq(TensorArg a, TensorArg b);
Tensor eq(TensorArg x, Scalar c);
Tensor ne(TensorArg a, TensorArg b);
Tensor ne(TensorArg x, Scalar c);
Tensor lt(TensorArg a, TensorArg b);
Tensor lt(TensorArg x, Scalar c);
Tensor le(TensorArg a, TensorArg b);
Tensor le(TensorArg x, Scalar c);
Tensor gt(TensorArg a, TensorArg b);
Tensor gt(TensorArg x, Scalar c);
Tensor ge(TensorArg a, TensorArg b);
Tensor ge(TensorArg x, Scalar c);
// |a - b| <= atol + rtol |b|, or equal; NaNs are equal to each other if equal_nan.
Tensor isclose(TensorArg a, TensorArg b, double rtol = 1e-5, double atol = 1e-8,
               bool equal_nan = false);

// Whether x is not zero decides; a NaN is not.
Tensor logical_and(TensorArg a, TensorArg b);
Tensor logical_or(TensorArg a, TensorArg b);
Tensor logical_xor(TensorArg a, TensorArg b);
Tensor logical_not(TensorArg x);

Tensor isnan(TensorArg x);
Tensor isinf(TensorArg x);
Tensor isfinite(TensorArg x);

// Of integers and bool.
Tensor bitwise_and(TensorArg a, TensorArg b);
Tensor bitwise_and(TensorArg x, Scalar c);
Tensor bitwise_or(TensorArg a, TensorArg b);
Tensor bitwise_or(TensorArg x, Scalar c);
Tensor bitwise_xor(TensorArg a, TensorArg b);
Tensor bitwise_xor(TensorArg x, Scalar c);
Tensor bitwise_not(TensorArg x);
// Of integers; shifting by 64 bits or more leaves 0, or -1 where a negative number goes right.
Tensor bitwise_left_shift(TensorArg a, TensorArg b);
Tensor bitwise_left_shift(TensorArg x, Scalar c);
Tensor bitwise_right_shift(TensorArg a, TensorArg b);
Tensor bitwise_right_shift(TensorArg x, Scalar c);

inline Tensor operator==(TensorArg a, TensorArg b) { return eq(a, b); }
inline Tensor operator==(TensorArg x, Scalar c) { return eq(x, c); }
inline Tensor operator!=(TensorArg a, TensorArg b) { return ne(a, b); }
inline Tensor operator!=(TensorArg x, Scalar c) { return ne(x, c); }
inline Tensor operator<(TensorArg a, TensorArg b) { return lt(a, b); }
inline Tensor operator<(TensorArg x, Scalar c) { return lt(x, c); }
inline Tensor operator<(Scalar c, TensorArg x) { return gt(x, c); }
inline Tensor operator<=(TensorArg a, TensorArg b) { return le(a, b); }
inline Tensor operator<=(TensorArg x, Scalar c) { return le(x, c); }
inline Tensor operator<=(Scalar c, TensorArg x) { return ge(x, c); }
inline Tensor operator>(TensorArg a, TensorArg b) { return gt(a, b); }
inline Tensor operator>(TensorArg x, Scalar c) { return gt(x, c); }
inline Tensor operator>(Scalar c, TensorArg x) { return lt(x, c); }
inline Tensor operator>=(TensorArg a, TensorArg b) { return ge(a, b); }
inline Tensor operator>=(TensorArg x, Scalar c) { return ge(x, c); }
inline Tensor operator>=(Scalar c, TensorArg x) { return le(x, c); }
inline Tensor operator!(TensorArg x) { return logical_not(x); }
inline Tensor operator&(TensorArg a, TensorArg b) { return bitwise_and(a, b); }
inline Tensor operator&(TensorArg x, Scalar c) { return bitwise_and(x, c); }
inline Tensor operator|(TensorArg a, TensorArg b) { return bitwise_or(a, b); }
inline Tensor operator|(TensorArg x, Scalar c) { return bitwise_or(x, c); }
inline Tensor operator^(TensorArg a, TensorArg b) { return bitwise_xor(a, b); }
inline Tensor operator^(TensorArg x, Scalar c) { return bitwise_xor(x, c); }
inline Tensor operator~(TensorArg x) { return bitwise_not(x); }

}  // namespace tessera
