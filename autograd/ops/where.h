// Choosing among elements and bounding them, element by element, with broadcasting.
#pragma once

#include <concepts>
#include <optional>

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// a where condition (bool) is true, else b.
Tensor where(TensorArg condition, TensorArg a, TensorArg b);
Tensor where(TensorArg condition, TensorArg a, Scalar b);
Tensor where(TensorArg condition, Scalar a, TensorArg b);
Tensor where(TensorArg condition, Scalar a, Scalar b);
// x, of x's dtype, with value where mask (bool, which broadcasts to x's shape) is true. A tensor of
// values is 0-d.
Tensor masked_fill(TensorArg x, TensorArg mask, Scalar value);
Tensor masked_fill(TensorArg x, TensorArg mask, TensorArg value);

// The larger, the smaller; a NaN in either is the result. Equal elements share the gradient.
Tensor maximum(TensorArg a, TensorArg b);
Tensor minimum(TensorArg a, TensorArg b);
// The same, but the other one where one is a NaN; a has the gradient where both are NaNs.
Tensor fmax(TensorArg a, TensorArg b);
Tensor fmin(TensorArg a, TensorArg b);

// At least low and at most high, one of which may be missing; high where low is above it. A NaN
// stays, and one as a bound is the result. The gradient passes strictly inside of numbers; x shares
// it with the element of a tensor that it is equal to. Bounds of integers may be any integers, but
// the result must fit x's dtype.
Tensor clamp(TensorArg x, std::optional<Scalar> low, std::optional<Scalar> high);
Tensor clamp(TensorArg x, TensorArg low, TensorArg high);
// Between a tensor and a number, which counts as a 0-d tensor of the common dtype. Templates, so
// that braces for a missing bound never mean these.
Tensor clamp_between(const Tensor& x, const Tensor& low, Scalar high);
Tensor clamp_between(const Tensor& x, Scalar low, const Tensor& high);
template <std::convertible_to<Tensor> Bound>
Tensor clamp(TensorArg x, const Bound& low, Scalar high) {
  return clamp_between(*x, low, high);
}
template <std::convertible_to<Tensor> Bound>
Tensor clamp(TensorArg x, Scalar low, const Bound& high) {
  return clamp_between(*x, low, high);
}

// nan for each NaN, and posinf and neginf for infinities: where not given, the largest and the
// lowest finite number of x's dtype.
Tensor nan_to_num(TensorArg x, double nan = 0, std::optional<double> posinf = {},
                  std::optional<double> neginf = {});

}  // namespace tessera
