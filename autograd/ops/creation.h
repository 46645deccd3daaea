// Tensors from numbers: constants, until set_requires_grad. Those of core/creation.h, with their
// errors; random ones are in random.h, tril and triu in join.h.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <vector>

#include "autograd/tensor_arg.h"
#include "core/creation.h"

namespace tessera {

// Unspecified content.
Tensor empty(const Dims& shape, DType dtype = DType::f32, Device device = {});
Tensor zeros(const Dims& shape, DType dtype = DType::f32, Device device = {});
Tensor ones(const Dims& shape, DType dtype = DType::f32, Device device = {});
// Of the value's own dtype (bool, i64 or f32) unless one is given.
Tensor full(const Dims& shape, Scalar value, std::optional<DType> dtype = {}, Device device = {});

// One dim: zeros(3).
template <std::integral T>
Tensor empty(T size, DType dtype = DType::f32, Device device = {}) {
  return empty(Dims{static_cast<int64_t>(size)}, dtype, device);
}
template <std::integral T>
Tensor zeros(T size, DType dtype = DType::f32, Device device = {}) {
  return zeros(Dims{static_cast<int64_t>(size)}, dtype, device);
}
template <std::integral T>
Tensor ones(T size, DType dtype = DType::f32, Device device = {}) {
  return ones(Dims{static_cast<int64_t>(size)}, dtype, device);
}
template <std::integral T>
Tensor full(T size, Scalar value, std::optional<DType> dtype = {}, Device device = {}) {
  return full(Dims{static_cast<int64_t>(size)}, value, dtype, device);
}

// Of x's shape, dtype (unless given) and device.
Tensor empty_like(TensorArg x, std::optional<DType> dtype = {});
Tensor zeros_like(TensorArg x, std::optional<DType> dtype = {});
Tensor ones_like(TensorArg x, std::optional<DType> dtype = {});
Tensor full_like(TensorArg x, Scalar value, std::optional<DType> dtype = {});

// 0, 1, ... before stop.
Tensor arange(Scalar stop, std::optional<DType> dtype = {});
// start, start + step, ... before stop: i64 where all three are integers, else f32.
Tensor arange(Scalar start, Scalar stop, Scalar step = 1, std::optional<DType> dtype = {});
// `count` numbers from start to stop, both included; and base to the power of each.
Tensor linspace(double start, double stop, int64_t count, DType dtype = DType::f32);
Tensor logspace(double start, double stop, int64_t count, double base = 10,
                DType dtype = DType::f32);
// The same with zero-dimensional tensors, of any dtype, as bounds; they get no gradient.
Tensor linspace(TensorArg start, TensorArg stop, int64_t count, DType dtype = DType::f32);
Tensor linspace(TensorArg start, double stop, int64_t count, DType dtype = DType::f32);
Tensor linspace(double start, TensorArg stop, int64_t count, DType dtype = DType::f32);
Tensor logspace(TensorArg start, TensorArg stop, int64_t count, double base = 10,
                DType dtype = DType::f32);
Tensor logspace(TensorArg start, double stop, int64_t count, double base = 10,
                DType dtype = DType::f32);
Tensor logspace(double start, TensorArg stop, int64_t count, double base = 10,
                DType dtype = DType::f32);
// (rows, cols), square without cols: 1 on the diagonal, else 0.
Tensor eye(int64_t rows, std::optional<int64_t> cols = {}, DType dtype = DType::f32);
// (rows, cols), square without cols: 1 on and below the diagonal, else 0.
Tensor tri(int64_t rows, std::optional<int64_t> cols = {}, int64_t diagonal = 0,
           DType dtype = DType::f32);

// tensor({{1, 2}, {3, 4}}): f32 where any number is floating, else i64, or bool of bools only.
Tensor tensor(const arrays::Nested& list, std::optional<DType> dtype = {});
// Copies of the values, in row-major order.
template <class T>
Tensor tensor(std::span<const T> values, const Dims& shape) {
  return Array::from(values, shape);
}
template <class T>
Tensor tensor(const std::vector<T>& values, const Dims& shape) {
  return Array::from(values, shape);
}
template <class T>
Tensor tensor(const std::vector<T>& values) {
  return Array::from(values, {static_cast<int64_t>(values.size())});
}

}  // namespace tessera
