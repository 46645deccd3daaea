#include "autograd/ops/softmax.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
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
// The gradient over the last dim as Tensor functions of y and dy.
using Composition = Tensor (*)(const Tensor& y, const Tensor& dy);

// dx = y (dy - sum(y dy))
Tensor softmax_slope(const Tensor& y, const Tensor& dy) {
  Tensor weighted = y * dy;
  return weighted - y * sum(weighted, {-1}, true);
}

// dx = dy - exp(y) sum(dy)
Tensor log_softmax_slope(const Tensor& y, const Tensor& dy) {
  return dy - exp(y) * sum(dy, {-1}, true);
}

Tensor along_dim(const char* op, TensorArg x, int64_t dim, Forward forward, Backward backward,
                 Composition composition) {
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[{}] expected f32 or f64, got {}", op, x.dtype());
  if (x.dim() == 0) {
    return reshape(along_dim(op, reshape(x, {1}), dim, forward, backward, composition), {});
  }
  size_t d = normalize_dim(dim, x.dim(), op);
  if (d + 1 != x.dim()) {
    return transpose(along_dim(op, transpose(x, dim, -1), -1, forward, backward, composition), dim,
                     -1);
  }
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  (kernels(x.device()).softmax().*forward)(as_rows(x.data()), as_rows(y));
  return record(
      op, y, {x}, [sy = SavedResult(y), backward, composition](const Tensor& dy, const Node& node) {
        if (context().grad_enabled) return Grads{composition(sy.get(node), dy)};
        Array y = sy.array(node);
        Array dx = Array::empty(y.shape(), y.dtype(), y.device());
        (kernels(y.device()).softmax().*backward)(as_rows(y), as_rows(dy.data()), as_rows(dx));
        return Grads{Tensor(dx)};
      });
}

}  // namespace

Tensor softmax(TensorArg x, int64_t dim) {
  const Composed scope;
  return along_dim("softmax", x, dim, &SoftmaxFamily::softmax, &SoftmaxFamily::softmax_grad,
                   softmax_slope);
}

Tensor log_softmax(TensorArg x, int64_t dim) {
  const Composed scope;
  return along_dim("log_softmax", x, dim, &SoftmaxFamily::log_softmax,
                   &SoftmaxFamily::log_softmax_grad, log_softmax_slope);
}

}  // namespace tessera
