#include "autograd/ops/creation.h"

namespace tessera {
namespace {

double bound(const char* op, const Tensor& x) {
  TESSERA_CHECK(x.dim() == 0, "[{}] expected a zero-dimensional bound, got shape {}", op,
                x.shape());
  return x.data().to(DType::f64).item<double>();
}

}  // namespace

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
Tensor linspace(TensorArg start, TensorArg stop, int64_t count, DType dtype) {
  return linspace(bound("linspace", start), bound("linspace", stop), count, dtype);
}
Tensor linspace(TensorArg start, double stop, int64_t count, DType dtype) {
  return linspace(bound("linspace", start), stop, count, dtype);
}
Tensor linspace(double start, TensorArg stop, int64_t count, DType dtype) {
  return linspace(start, bound("linspace", stop), count, dtype);
}
Tensor logspace(TensorArg start, TensorArg stop, int64_t count, double base, DType dtype) {
  return logspace(bound("logspace", start), bound("logspace", stop), count, base, dtype);
}
Tensor logspace(TensorArg start, double stop, int64_t count, double base, DType dtype) {
  return logspace(bound("logspace", start), stop, count, base, dtype);
}
Tensor logspace(double start, TensorArg stop, int64_t count, double base, DType dtype) {
  return logspace(start, bound("logspace", stop), count, base, dtype);
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
