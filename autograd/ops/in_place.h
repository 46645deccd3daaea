// Elementwise functions that write their result into the first operand, which keeps its shape and
// dtype, and return it. As the functions of the same names without the underscore;
// autograd/in_place.h has the rules and the errors. A result that the dtype cannot hold (floating
// for integers) is an error.
#pragma once

#include <optional>

#include "autograd/ops/activation.h"
#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

const Tensor& add_(SelfArg self, TensorArg other);
const Tensor& add_(SelfArg self, Scalar other);
const Tensor& add_(SelfArg self, TensorArg other, Scalar alpha);
const Tensor& add_(SelfArg self, Scalar other, Scalar alpha);
const Tensor& sub_(SelfArg self, TensorArg other);
const Tensor& sub_(SelfArg self, Scalar other);
const Tensor& sub_(SelfArg self, TensorArg other, Scalar alpha);
const Tensor& sub_(SelfArg self, Scalar other, Scalar alpha);
const Tensor& mul_(SelfArg self, TensorArg other);
const Tensor& mul_(SelfArg self, Scalar other);
const Tensor& div_(SelfArg self, TensorArg other);
const Tensor& div_(SelfArg self, Scalar other);
const Tensor& floor_divide_(SelfArg self, TensorArg other);
const Tensor& floor_divide_(SelfArg self, Scalar other);
const Tensor& remainder_(SelfArg self, TensorArg other);
const Tensor& remainder_(SelfArg self, Scalar other);
const Tensor& fmod_(SelfArg self, TensorArg other);
const Tensor& fmod_(SelfArg self, Scalar other);
const Tensor& pow_(SelfArg self, TensorArg other);
const Tensor& pow_(SelfArg self, Scalar other);
const Tensor& addcmul_(SelfArg self, TensorArg a, TensorArg b, Scalar value = 1);
const Tensor& addcdiv_(SelfArg self, TensorArg a, TensorArg b, Scalar value = 1);
const Tensor& lerp_(SelfArg self, TensorArg end, double weight);
const Tensor& atan2_(SelfArg self, TensorArg other);
const Tensor& clamp_(SelfArg self, std::optional<Scalar> low, std::optional<Scalar> high);
const Tensor& clamp_(SelfArg self, TensorArg low, TensorArg high);
const Tensor& masked_fill_(SelfArg self, TensorArg mask, Scalar value);
const Tensor& nan_to_num_(SelfArg self, double nan = 0, std::optional<double> posinf = {},
                          std::optional<double> neginf = {});
const Tensor& fill_(SelfArg self, Scalar value);
const Tensor& zero_(SelfArg self);

const Tensor& neg_(SelfArg self);
const Tensor& abs_(SelfArg self);
const Tensor& sign_(SelfArg self);
const Tensor& square_(SelfArg self);
const Tensor& sqrt_(SelfArg self);
const Tensor& rsqrt_(SelfArg self);
const Tensor& reciprocal_(SelfArg self);
const Tensor& floor_(SelfArg self);
const Tensor& ceil_(SelfArg self);
const Tensor& round_(SelfArg self);
const Tensor& trunc_(SelfArg self);
const Tensor& frac_(SelfArg self);
const Tensor& exp_(SelfArg self);
const Tensor& exp2_(SelfArg self);
const Tensor& expm1_(SelfArg self);
const Tensor& log_(SelfArg self);
const Tensor& log2_(SelfArg self);
const Tensor& log10_(SelfArg self);
const Tensor& log1p_(SelfArg self);
const Tensor& sin_(SelfArg self);
const Tensor& cos_(SelfArg self);
const Tensor& tan_(SelfArg self);
const Tensor& asin_(SelfArg self);
const Tensor& acos_(SelfArg self);
const Tensor& atan_(SelfArg self);
const Tensor& sinh_(SelfArg self);
const Tensor& cosh_(SelfArg self);
const Tensor& tanh_(SelfArg self);
const Tensor& asinh_(SelfArg self);
const Tensor& acosh_(SelfArg self);
const Tensor& atanh_(SelfArg self);
const Tensor& erf_(SelfArg self);
const Tensor& erfc_(SelfArg self);
const Tensor& erfinv_(SelfArg self);
const Tensor& lgamma_(SelfArg self);
const Tensor& digamma_(SelfArg self);
const Tensor& logical_not_(SelfArg self);
const Tensor& bitwise_not_(SelfArg self);

const Tensor& sigmoid_(SelfArg self);
const Tensor& relu_(SelfArg self);
const Tensor& relu6_(SelfArg self);
const Tensor& leaky_relu_(SelfArg self, double slope = 0.01);
const Tensor& elu_(SelfArg self, double alpha = 1);
const Tensor& celu_(SelfArg self, double alpha = 1);
const Tensor& selu_(SelfArg self);
const Tensor& silu_(SelfArg self);
const Tensor& mish_(SelfArg self);
const Tensor& hardswish_(SelfArg self);
const Tensor& hardtanh_(SelfArg self, double low = -1, double high = 1);

}  // namespace tessera
