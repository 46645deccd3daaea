// x += y and its like, as PyTorch has them: in place and recorded, for tensors and numbers, on a
// tensor or a view of one (x[0] += 1). The rules and errors are those of autograd/in_place.h; the
// result keeps x's shape and dtype. A result that the dtype cannot hold (floating for integers, a
// number for bool) is an error.
#pragma once

#include "autograd/ops/in_place.h"

namespace tessera {

const Tensor& bitwise_and_(const Tensor& self, TensorArg other);
const Tensor& bitwise_and_(const Tensor& self, Scalar other);
const Tensor& bitwise_or_(const Tensor& self, TensorArg other);
const Tensor& bitwise_or_(const Tensor& self, Scalar other);
const Tensor& bitwise_xor_(const Tensor& self, TensorArg other);
const Tensor& bitwise_xor_(const Tensor& self, Scalar other);
const Tensor& bitwise_left_shift_(const Tensor& self, TensorArg other);
const Tensor& bitwise_left_shift_(const Tensor& self, Scalar other);
const Tensor& bitwise_right_shift_(const Tensor& self, TensorArg other);
const Tensor& bitwise_right_shift_(const Tensor& self, Scalar other);

inline const Tensor& operator+=(const Tensor& x, TensorArg y) { return add_(x, y); }
inline const Tensor& operator-=(const Tensor& x, TensorArg y) { return sub_(x, y); }
inline const Tensor& operator*=(const Tensor& x, TensorArg y) { return mul_(x, y); }
inline const Tensor& operator/=(const Tensor& x, TensorArg y) { return div_(x, y); }
inline const Tensor& operator%=(const Tensor& x, TensorArg y) { return remainder_(x, y); }
inline const Tensor& operator&=(const Tensor& x, TensorArg y) { return bitwise_and_(x, y); }
inline const Tensor& operator|=(const Tensor& x, TensorArg y) { return bitwise_or_(x, y); }
inline const Tensor& operator^=(const Tensor& x, TensorArg y) { return bitwise_xor_(x, y); }
inline const Tensor& operator<<=(const Tensor& x, TensorArg y) { return bitwise_left_shift_(x, y); }
inline const Tensor& operator>>=(const Tensor& x, TensorArg y) {
  return bitwise_right_shift_(x, y);
}

// A number beside a tensor, and the place of the call.
struct NumberArg {
  template <class T>
  requires(std::is_arithmetic_v<T>)
      NumberArg(T value, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : value(value), call_({file, line}) {}
  NumberArg(Scalar value, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : value(value), call_({file, line}) {}
  Scalar value;

 private:
  NotedCall call_;
};
inline const Tensor& operator+=(const Tensor& x, NumberArg c) { return add_(x, c.value); }
inline const Tensor& operator-=(const Tensor& x, NumberArg c) { return sub_(x, c.value); }
inline const Tensor& operator*=(const Tensor& x, NumberArg c) { return mul_(x, c.value); }
inline const Tensor& operator/=(const Tensor& x, NumberArg c) { return div_(x, c.value); }
inline const Tensor& operator%=(const Tensor& x, NumberArg c) { return remainder_(x, c.value); }
inline const Tensor& operator&=(const Tensor& x, NumberArg c) { return bitwise_and_(x, c.value); }
inline const Tensor& operator|=(const Tensor& x, NumberArg c) { return bitwise_or_(x, c.value); }
inline const Tensor& operator^=(const Tensor& x, NumberArg c) { return bitwise_xor_(x, c.value); }
inline const Tensor& operator<<=(const Tensor& x, NumberArg c) {
  return bitwise_left_shift_(x, c.value);
}
inline const Tensor& operator>>=(const Tensor& x, NumberArg c) {
  return bitwise_right_shift_(x, c.value);
}

}  // namespace tessera
