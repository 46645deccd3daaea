#include "autograd/ops/softmax.h"

#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

Array as_rows(const Array& x) {
  int64_t cols = x.size(-1);
  return x.contiguous().view({cols == 0 ? 0 : x.numel() / cols, cols});
}

using Forward = void (SoftmaxFamily::*)(const Array&, const Array&) const;
using Backward = void (SoftmaxFamily::*)(const Array&, const Array&, const Array&) const;

Tensor along_dim(const char* op, const Tensor& x, int64_t dim, Forward forward, Backward backward) {
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[{}] expected f32 or f64, got {}", op, x.dtype());
  if (x.dim() == 0) return reshape(along_dim(op, reshape(x, {1}), dim, forward, backward), {});
  size_t d = normalize_dim(dim, x.dim(), op);
  if (d + 1 != x.dim()) {
    return transpose(along_dim(op, transpose(x, dim, -1), -1, forward, backward), dim, -1);
  }
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  (kernels(x.device()).softmax().*forward)(as_rows(x.data()), as_rows(y));
  return record(op, y, {&x}, [y, backward](const Tensor& dy, const Node&) {
    Array dx = Array::empty(y.shape(), y.dtype(), y.device());
    (kernels(y.device()).softmax().*backward)(as_rows(y), as_rows(dy.data()), as_rows(dx));
    return Grads{Tensor(dx)};
  });
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t dim) {
  return along_dim("softmax", x, dim, &SoftmaxFamily::softmax, &SoftmaxFamily::softmax_grad);
}

Tensor log_softmax(const Tensor& x, int64_t dim) {
  return along_dim("log_softmax", x, dim, &SoftmaxFamily::log_softmax,
                   &SoftmaxFamily::log_softmax_grad);
}

}  // namespace tessera
