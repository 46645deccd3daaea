// Small tensors from numbers, for tests of operations.
#pragma once

#include "autograd/tensor.h"
#include "tests/support/arrays.h"

namespace tessera::test {

// A leaf of f64; without a shape, of one dim.
inline Tensor floats(const Values& values, Dims shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  return Tensor(Array::from(values, shape), true);
}

// A constant of one dim.
inline Tensor of(DType dtype, const Values& values) {
  return Tensor(floats(values).data().to(dtype));
}

// The gradient of x for a gradient of ones.
inline Values grad_of(const Tensor& x, const Tensor& y) {
  y.backward(Tensor(Array::full(y.shape(), 1, y.dtype())));
  return doubles(x.grad().data());
}

}  // namespace tessera::test
