#include "autograd/ops/creation.h"

namespace tessera {

Tensor empty(const Dims& shape, DType dtype, Device device) {
  return Array::empty(shape, dtype, device);
}
Tensor zeros(const Dims& shape, DType dtype, Device device) {
  return Array::zeros(shape, dtype, device);
}
Tensor ones(const Dims& shape, DType dtype, Device device) {
  return arrays::ones(shape, dtype, device);
}
Tensor full(const Dims& shape, Scalar value, std::optional<DType> dtype, Device device) {
  return arrays::full(shape, value, dtype.value_or(value.dtype()), device);
}

Tensor empty_like(TensorArg x, std::optional<DType> dtype) {
  return arrays::empty_like(x.data(), dtype);
}
Tensor zeros_like(TensorArg x, std::optional<DType> dtype) {
  return arrays::zeros_like(x.data(), dtype);
}
Tensor ones_like(TensorArg x, std::optional<DType> dtype) {
  return arrays::ones_like(x.data(), dtype);
}
Tensor full_like(TensorArg x, Scalar value, std::optional<DType> dtype) {
  return arrays::full_like(x.data(), value, dtype);
}

Tensor arange(Scalar stop, std::optional<DType> dtype) { return arrays::arange(0, stop, 1, dtype); }
Tensor arange(Scalar start, Scalar stop, Scalar step, std::optional<DType> dtype) {
  return arrays::arange(start, stop, step, dtype);
}
Tensor linspace(double start, double stop, int64_t count, DType dtype) {
  return arrays::linspace(start, stop, count, dtype);
}
Tensor logspace(double start, double stop, int64_t count, double base, DType dtype) {
  return arrays::logspace(start, stop, count, base, dtype);
}
Tensor eye(int64_t rows, std::optional<int64_t> cols, DType dtype) {
  return arrays::eye(rows, cols, dtype);
}
Tensor tri(int64_t rows, std::optional<int64_t> cols, int64_t diagonal, DType dtype) {
  return arrays::tri(rows, cols, diagonal, dtype);
}

Tensor tensor(const arrays::Nested& list, std::optional<DType> dtype) {
  return arrays::of(list, dtype);
}

}  // namespace tessera
