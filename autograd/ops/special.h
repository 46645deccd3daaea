// More functions element by element. Operands broadcast and promote as in arithmetic.h; integers
// and bool are converted to f32, except where a line says otherwise. The forms in place are in the
// second part.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// log(x / (1 - x)), the inverse of sigmoid: infinite at 0 and 1, NaN outside of [0, 1]. With eps, x
// is first brought into [eps, 1 - eps], outside of which the gradient is 0.
Tensor logit(TensorArg x, std::optional<double> eps = {});
// x log(y), and 0 where x is 0 (even if y is 0 or infinite) unless y is NaN.
Tensor xlogy(TensorArg x, TensorArg y);
Tensor xlogy(TensorArg x, Scalar y);
Tensor xlogy(Scalar x, TensorArg y);
// sqrt(a^2 + b^2) without overflow or underflow on the way. Of floating dtypes. As in PyTorch, its
// gradient at (0, 0) is NaN.
Tensor hypot(TensorArg a, TensorArg b);
// |a| with the sign of b, that of -0 included. The gradient where a is 0 is 0.
Tensor copysign(TensorArg a, TensorArg b);
Tensor copysign(TensorArg a, Scalar b);
// sin(pi x) / (pi x), and 1 at 0.
Tensor sinc(TensorArg x);
// a to the power of b, both converted to f64 first, which is the result's dtype.
Tensor float_power(TensorArg a, TensorArg b);
Tensor float_power(TensorArg x, Scalar power);
Tensor float_power(Scalar base, TensorArg x);
// The derivative of order n >= 0 of digamma(x), differentiable any number of times.
Tensor polygamma(int64_t n, TensorArg x);
// To the nearest multiple of 10^-decimals, half to even; numbers too large to have such digits
// stay. Of floating dtypes unless decimals is 0. Its gradient is zero.
Tensor round(TensorArg x, int64_t decimals);

const Tensor& logit_(SelfArg self, std::optional<double> eps = {});
const Tensor& xlogy_(SelfArg self, TensorArg y);
const Tensor& xlogy_(SelfArg self, Scalar y);
const Tensor& hypot_(SelfArg self, TensorArg b);
const Tensor& copysign_(SelfArg self, TensorArg b);
const Tensor& copysign_(SelfArg self, Scalar b);
const Tensor& sinc_(SelfArg self);
// self is f64.
const Tensor& float_power_(SelfArg self, TensorArg b);
const Tensor& float_power_(SelfArg self, Scalar power);
const Tensor& polygamma_(SelfArg self, int64_t n);
const Tensor& round_(SelfArg self, int64_t decimals);

}  // namespace tessera
