// Lengths, angles and products of vectors along a dim, and products added to a tensor.
#pragma once

#include "autograd/ops/dims_arg.h"
#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// x / max(norm(x, p) over dims, eps): of the norm 1, or shorter where x's is below eps. Floating;
// 16-bit floats are computed in f32 and rounded once. Right for any finite x: no square overflows.
Tensor normalize(TensorArg x, double p = 2, const DimsArg& dims = 1, double eps = 1e-12);
// The cosine of the angle between a and b along dim, which is dropped: sum(a b) / (|a| |b|), each
// length at least eps. a and b broadcast and promote to a floating dtype. Within rounding of
// [-1, 1] for any finite elements. The gradient is that of a length above eps, as in PyTorch.
Tensor cosine_similarity(TensorArg a, TensorArg b, int64_t dim = 1, double eps = 1e-8);
// The norm (of order p) of a - b + eps along the last dim, which is dropped unless keepdim. a and b
// broadcast and promote to a floating dtype.
Tensor pairwise_distance(TensorArg a, TensorArg b, double p = 2, double eps = 1e-6,
                         bool keepdim = false);

// The sum over the last dim of both, of equal size: the result has the other dims of a, then those
// of b. Where one is 0-d, their product. Of one dtype, of numbers.
Tensor inner(TensorArg a, TensorArg b);
// sum(a b) along dim of the broadcast shape, of one floating dtype.
Tensor vecdot(TensorArg a, TensorArg b, int64_t dim = -1);
// The cross product along dim, whose size is 3; without dim, along the first such dim. Of one dtype
// of numbers and as many dims, the others broadcast.
Tensor cross(TensorArg a, TensorArg b);
Tensor cross(TensorArg a, TensorArg b, int64_t dim);

// beta c + alpha (product), of one dtype of numbers; c broadcasts to the product's shape. With beta
// = 0, c is not read. Integers need integers for beta and alpha.
// a (M, K), x (K,): (M,)
Tensor addmv(TensorArg c, TensorArg a, TensorArg x, Scalar beta = 1, Scalar alpha = 1);
// The sum over the batch of a (B, M, K) times b (B, K, N): (M, N)
Tensor addbmm(TensorArg c, TensorArg a, TensorArg b, Scalar beta = 1, Scalar alpha = 1);
// a (M,), b (N,): their outer product (M, N). Dtypes promote, and bool is taken.
Tensor addr(TensorArg c, TensorArg a, TensorArg b, Scalar beta = 1, Scalar alpha = 1);
// The same, in place.
const Tensor& addmv_(SelfArg self, TensorArg a, TensorArg x, Scalar beta = 1, Scalar alpha = 1);
const Tensor& addbmm_(SelfArg self, TensorArg a, TensorArg b, Scalar beta = 1, Scalar alpha = 1);
const Tensor& addr_(SelfArg self, TensorArg a, TensorArg b, Scalar beta = 1, Scalar alpha = 1);

}  // namespace tessera
