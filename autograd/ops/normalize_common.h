// What the normalizations share.
#pragma once

#include "autograd/ops/dims_arg.h"
#include "autograd/tensor.h"

namespace tessera {

// The dtype that a normalization or a softmax of this one is computed in.
inline DType compute_dtype_of(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// xhat = (x - mean) rstd and rstd = 1 / sqrt(var + eps) as Tensor functions of x, with moments over
// `dims`. The means and rstd that the forward found, as constants that broadcast to x, come first:
// neither squares nor the mean's rounding are of any size after that. Without a mean xhat = x rstd,
// with the mean square for var.
struct UnitRows {
  Tensor rstd, xhat;
  UnitRows(const Tensor& x, const Array& known_mean, const Array& known_rstd, double eps,
           const DimsArg& dims);
};

// Errors unless x is floating, and the others, where defined, are of x's dtype (or f32 beside 16
// bits).
void check_affine(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

// The same for x (N, C, ...), and errors unless weight and bias, where defined, are (C,).
void check_channels(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

// x * weight + bias by channel, x (N, C, ...) of f32 or f64.
Tensor scale_channels(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace tessera
