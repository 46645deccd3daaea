#include "autograd/ops/random.h"

#include "autograd/ops/elementwise.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

RandomStream next_stream() { return context().next_stream(); }

}  // namespace

Tensor dropout(TensorArg x, double p, bool training) {
  TESSERA_CHECK(p >= 0 && p <= 1, "[dropout] expected a probability in [0, 1], got {}", p);
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[dropout] expected f32 or f64, got {}", x.dtype());
  if (!training || p == 0) return x;
  Array mask = Array::empty(x.shape(), x.dtype(), x.device());
  kernels(x.device()).random().dropout_mask(next_stream(), 0, p, mask);
  return x * Tensor(mask);
}

Tensor randn(const Dims& shape, DType dtype) {
  Array out = Array::empty(shape, dtype);
  kernels(out.device()).random().normal(next_stream(), 0, 0, 1, out);
  return Tensor(out);
}

Tensor rand(const Dims& shape, DType dtype) {
  Array out = Array::empty(shape, dtype);
  kernels(out.device()).random().uniform(next_stream(), 0, 0, 1, out);
  return Tensor(out);
}

}  // namespace tessera
