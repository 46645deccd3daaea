// Products of vectors, matrices and batches, made of matmul and elementwise functions.
#pragma once

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// (M, K) x (K, N) -> (M, N), nothing else.
Tensor mm(TensorArg a, TensorArg b);
// (B, M, K) x (B, K, N) -> (B, M, N), without broadcasting.
Tensor bmm(TensorArg a, TensorArg b);
// (M, K) x (K,) -> (M,)
Tensor mv(TensorArg a, TensorArg x);
// (N,) x (N,) -> ()
Tensor dot(TensorArg a, TensorArg b);
// (M,) x (N,) -> (M, N)
Tensor outer(TensorArg a, TensorArg b);
// beta c + alpha a b: a (M, K), b (K, N), c broadcasts to (M, N). With beta = 0, c is not read, so
// a NaN in it does not reach the result. Integers take whole beta and alpha and stay integers.
Tensor addmm(TensorArg c, TensorArg a, TensorArg b, Scalar beta = 1, Scalar alpha = 1);
// The same for a (B, M, K), b (B, K, N), c broadcast to (B, M, N).
Tensor baddbmm(TensorArg c, TensorArg a, TensorArg b, Scalar beta = 1, Scalar alpha = 1);
// The sum over the last `dims` dims of a and the first of b; 0 is the outer product.
Tensor tensordot(TensorArg a, TensorArg b, int64_t dims = 2);
// The sum over pairs of dims, one of a and one of b of equal size; the result has the rest of a's
// dims, then the rest of b's.
Tensor tensordot(TensorArg a, TensorArg b, const Dims& a_dims, const Dims& b_dims);
// The Kronecker product: sizes multiply; the shorter shape gets sizes of 1 in front.
Tensor kron(TensorArg a, TensorArg b);
// y[..., o] = a[..., :] weight[o] b[..., :]^T + bias[o]: a (..., I), b (..., J) of the same leading
// dims, weight (O, I, J), bias (O,) or undefined. Of one floating dtype; 16-bit floats are computed
// in f32 and rounded once.
Tensor bilinear(TensorArg a, TensorArg b, TensorArg weight, TensorArg bias = {});
// The sum of the main diagonal of a matrix.
Tensor trace(TensorArg x);

}  // namespace tessera
