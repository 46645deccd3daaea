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

const Tensor& add_(const Tensor& self, TensorArg other);
const Tensor& add_(const Tensor& self, Scalar other);
const Tensor& add_(const Tensor& self, TensorArg other, Scalar alpha);
const Tensor& add_(const Tensor& self, Scalar other, Scalar alpha);
const Tensor& sub_(const Tensor& self, TensorArg other);
const Tensor& sub_(const Tensor& self, Scalar other);
const Tensor& sub_(const Tensor& self, TensorArg other, Scalar alpha);
const Tensor& sub_(const Tensor& self, Scalar other, Scalar alpha);
const Tensor& mul_(const Tensor& self, TensorArg other);
const Tensor& mul_(const Tensor& self, Scalar other);
const Tensor& div_(const Tensor& self, TensorArg other);
const Tensor& div_(const Tensor& self, Scalar other);
const Tensor& floor_divide_(const Tensor& self, TensorArg other);
const Tensor& floor_divide_(const Tensor& self, Scalar other);
const Tensor& remainder_(const Tensor& self, TensorArg other);
const Tensor& remainder_(const Tensor& self, Scalar other);
const Tensor& fmod_(const Tensor& self, TensorArg other);
const Tensor& fmod_(const Tensor& self, Scalar other);
const Tensor& pow_(const Tensor& self, TensorArg other);
const Tensor& pow_(const Tensor& self, Scalar other);
const Tensor& addcmul_(const Tensor& self, TensorArg a, TensorArg b, Scalar value = 1);
const Tensor& addcdiv_(const Tensor& self, TensorArg a, TensorArg b, Scalar value = 1);
const Tensor& lerp_(const Tensor& self, TensorArg end, double weight);
const Tensor& atan2_(const Tensor& self, TensorArg other);
const Tensor& clamp_(const Tensor& self, std::optional<Scalar> low, std::optional<Scalar> high);
const Tensor& clamp_(const Tensor& self, TensorArg low, TensorArg high);
const Tensor& masked_fill_(const Tensor& self, TensorArg mask, Scalar value);
const Tensor& nan_to_num_(const Tensor& self, double nan = 0, std::optional<double> posinf = {},
                          std::optional<double> neginf = {});
const Tensor& fill_(const Tensor& self, Scalar value);
const Tensor& zero_(const Tensor& self);

const Tensor& neg_(const Tensor& self);
const Tensor& abs_(const Tensor& self);
const Tensor& sign_(const Tensor& self);
const Tensor& square_(const Tensor& self);
const Tensor& sqrt_(const Tensor& self);
const Tensor& rsqrt_(const Tensor& self);
const Tensor& reciprocal_(const Tensor& self);
const Tensor& floor_(const Tensor& self);
const Tensor& ceil_(const Tensor& self);
const Tensor& round_(const Tensor& self);
const Tensor& trunc_(const Tensor& self);
const Tensor& frac_(const Tensor& self);
const Tensor& exp_(const Tensor& self);
const Tensor& exp2_(const Tensor& self);
const Tensor& expm1_(const Tensor& self);
const Tensor& log_(const Tensor& self);
const Tensor& log2_(const Tensor& self);
const Tensor& log10_(const Tensor& self);
const Tensor& log1p_(const Tensor& self);
const Tensor& sin_(const Tensor& self);
const Tensor& cos_(const Tensor& self);
const Tensor& tan_(const Tensor& self);
const Tensor& asin_(const Tensor& self);
const Tensor& acos_(const Tensor& self);
const Tensor& atan_(const Tensor& self);
const Tensor& sinh_(const Tensor& self);
const Tensor& cosh_(const Tensor& self);
const Tensor& tanh_(const Tensor& self);
const Tensor& asinh_(const Tensor& self);
const Tensor& acosh_(const Tensor& self);
const Tensor& atanh_(const Tensor& self);
const Tensor& erf_(const Tensor& self);
const Tensor& erfc_(const Tensor& self);
const Tensor& erfinv_(const Tensor& self);
const Tensor& lgamma_(const Tensor& self);
const Tensor& digamma_(const Tensor& self);
const Tensor& logical_not_(const Tensor& self);
const Tensor& bitwise_not_(const Tensor& self);

const Tensor& sigmoid_(const Tensor& self);
const Tensor& relu_(const Tensor& self);
const Tensor& relu6_(const Tensor& self);
const Tensor& leaky_relu_(const Tensor& self, double slope = 0.01);
const Tensor& elu_(const Tensor& self, double alpha = 1);
const Tensor& celu_(const Tensor& self, double alpha = 1);
const Tensor& selu_(const Tensor& self);
const Tensor& silu_(const Tensor& self);
const Tensor& mish_(const Tensor& self);
const Tensor& hardswish_(const Tensor& self);
const Tensor& hardtanh_(const Tensor& self, double low = -1, double high = 1);

}  // namespace tessera
