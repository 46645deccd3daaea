// What the normalizations share.
#pragma once

#include "autograd/tensor.h"

namespace tessera {

// The dtype that a normalization or a softmax of this one is computed in.
inline DType compute_dtype_of(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// Errors unless x is floating, and the others, where defined, are of x's dtype (or f32 beside 16
// bits).
void check_affine(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

// The same for x (N, C, ...), and errors unless weight and bias, where defined, are (C,).
void check_channels(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

// x * weight + bias by channel, x (N, C, ...) of f32 or f64.
Tensor scale_channels(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace tessera
