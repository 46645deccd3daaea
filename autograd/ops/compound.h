// x += y and its like, as PyTorch has them: in place and recorded, for tensors and numbers, on a
// tensor or a view of one (x[0] += 1). The rules and errors are those of autograd/in_place.h; the
// result keeps x's shape and dtype. A result that the dtype cannot hold (floating for integers, a
// number for bool) is an error.
#pragma once

#include "autograd/ops/in_place.h"

namespace tessera {

const Tensor& bitwise_and_(SelfArg self, TensorArg other);
const Tensor& bitwise_and_(SelfArg self, Scalar other);
const Tensor& bitwise_or_(SelfArg self, TensorArg other);
const Tensor& bitwise_or_(SelfArg self, Scalar other);
const Tensor& bitwise_xor_(SelfArg self, TensorArg other);
const Tensor& bitwise_xor_(SelfArg self, Scalar other);
const Tensor& bitwise_left_shift_(SelfArg self, TensorArg other);
const Tensor& bitwise_left_shift_(SelfArg self, Scalar other);
const Tensor& bitwise_right_shift_(SelfArg self, TensorArg other);
const Tensor& bitwise_right_shift_(SelfArg self, Scalar other);

inline const Tensor& operator+=(SelfArg x, TensorArg y) { return add_(x, y); }
inline const Tensor& operator-=(SelfArg x, TensorArg y) { return sub_(x, y); }
inline const Tensor& operator*=(SelfArg x, TensorArg y) { return mul_(x, y); }
inline const Tensor& operator/=(SelfArg x, TensorArg y) { return div_(x, y); }
inline const Tensor& operator%=(SelfArg x, TensorArg y) { return remainder_(x, y); }
inline const Tensor& operator&=(SelfArg x, TensorArg y) { return bitwise_and_(x, y); }
inline const Tensor& operator|=(SelfArg x, TensorArg y) { return bitwise_or_(x, y); }
inline const Tensor& operator^=(SelfArg x, TensorArg y) { return bitwise_xor_(x, y); }
inline const Tensor& operator<<=(SelfArg x, TensorArg y) { return bitwise_left_shift_(x, y); }
inline const Tensor& operator>>=(SelfArg x, TensorArg y) { return bitwise_right_shift_(x, y); }

inline const Tensor& operator+=(SelfArg x, Scalar c) { return add_(x, c); }
inline const Tensor& operator-=(SelfArg x, Scalar c) { return sub_(x, c); }
inline const Tensor& operator*=(SelfArg x, Scalar c) { return mul_(x, c); }
inline const Tensor& operator/=(SelfArg x, Scalar c) { return div_(x, c); }
inline const Tensor& operator%=(SelfArg x, Scalar c) { return remainder_(x, c); }
inline const Tensor& operator&=(SelfArg x, Scalar c) { return bitwise_and_(x, c); }
inline const Tensor& operator|=(SelfArg x, Scalar c) { return bitwise_or_(x, c); }
inline const Tensor& operator^=(SelfArg x, Scalar c) { return bitwise_xor_(x, c); }
inline const Tensor& operator<<=(SelfArg x, Scalar c) { return bitwise_left_shift_(x, c); }
inline const Tensor& operator>>=(SelfArg x, Scalar c) { return bitwise_right_shift_(x, c); }

}  // namespace tessera
