#include "autograd/ops/linalg_common.h"

#include <limits>

#include "autograd/ops/creation.h"
#include "autograd/ops/shape.h"

namespace tessera {

void check_matrices(const char* op, const Tensor& x) {
  TESSERA_CHECK(x.dim() >= 2, "[{}] expected a matrix or a batch of them, got shape {}", op,
                x.shape());
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[{}] expected f32 or f64, got {}", op, x.dtype());
}

void check_square(const char* op, const Tensor& x) {
  check_matrices(op, x);
  TESSERA_CHECK(x.size(-1) == x.size(-2), "[{}] expected square matrices, got shape {}", op,
                x.shape());
}

void check_alike(const char* op, const Tensor& a, const Tensor& b) {
  TESSERA_CHECK(a.dtype() == b.dtype(), "[{}] expected two of one dtype, got {} and {}", op,
                a.dtype(), b.dtype());
  TESSERA_CHECK(a.device() == b.device(), "[{}] expected one device, got {} and {}", op, a.device(),
                b.device());
}

Dims batch_of(const Dims& shape) { return Dims(std::span(shape.data(), shape.size() - 2)); }

Dims with_sizes(Dims batch, int64_t rows, int64_t cols) {
  batch.push_back(rows);
  batch.push_back(cols);
  return batch;
}

Dims with_size(Dims batch, int64_t size) {
  batch.push_back(size);
  return batch;
}

Array matrices(const Array& x) {
  int64_t count = num_elements(batch_of(x.shape()));
  return x.reshape({count, x.size(-2), x.size(-1)}).contiguous();
}

Tensor matrix_transpose(const Tensor& x) { return transpose(x, -2, -1); }

Tensor identity_matrix(int64_t n, DType dtype, Device device) {
  return Tensor(eye(n, {}, dtype).data().to(device));
}

double epsilon(DType dtype) {
  return dtype == DType::f64 ? std::numeric_limits<double>::epsilon()
                             : static_cast<double>(std::numeric_limits<float>::epsilon());
}

}  // namespace tessera
