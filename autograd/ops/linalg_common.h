// What operations on matrices share: x (..., m, n) is a batch of them.
#pragma once

#include "autograd/tensor.h"

namespace tessera {

// Errors unless x is f32 or f64 and has at least two dims, or at least two equal last ones.
void check_matrices(const char* op, const Tensor& x);
void check_square(const char* op, const Tensor& x);
// Errors unless a and b have one dtype and one device.
void check_alike(const char* op, const Tensor& a, const Tensor& b);

// The dims before the last two, and those with other last ones.
Dims batch_of(const Dims& shape);
Dims with_sizes(Dims batch, int64_t rows, int64_t cols);
Dims with_size(Dims batch, int64_t size);

// x as (B, m, n), row-major, for kernels.
Array matrices(const Array& x);

// x with its last two dims swapped.
Tensor matrix_transpose(const Tensor& x);
// (n, n): ones on the diagonal, else zeros.
Tensor identity_matrix(int64_t n, DType dtype, Device device);
// Of the dtype's numbers: the distance from 1 to the next one.
double epsilon(DType dtype);

}  // namespace tessera
