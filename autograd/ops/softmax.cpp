#include "autograd/ops/softmax.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/softmax.h"

namespace tessera {
namespace {

// x as (outer, size, inner), the middle dim being `dim`.
Array around_dim(const Array& x, size_t dim) {
  Dims shape{1, x.shape()[dim], 1};
  for (size_t d = 0; d < dim; ++d) shape[0] *= x.shape()[d];
  for (size_t d = dim + 1; d < x.dim(); ++d) shape[2] *= x.shape()[d];
  return x.contiguous().view(shape);
}

struct SoftmaxKind {
  const char* op;
  void (SoftmaxFamily::*forward)(const Array&, const Array&) const;
  void (SoftmaxFamily::*backward)(const Array&, const Array&, const Array&) const;
  // The gradient as Tensor functions of y and dy.
  Tensor (*composition)(const Tensor& y, const Tensor& dy, int64_t dim);
};

// dx = y (dy - sum(y dy))
Tensor softmax_slope(const Tensor& y, const Tensor& dy, int64_t dim) {
  Tensor weighted = y * dy;
  return weighted - y * sum(weighted, {dim}, true);
}

// dx = dy - exp(y) sum(dy)
Tensor log_softmax_slope(const Tensor& y, const Tensor& dy, int64_t dim) {
  return dy - exp(y) * sum(dy, {dim}, true);
}

constexpr SoftmaxKind kSoftmax{"softmax", &SoftmaxFamily::softmax, &SoftmaxFamily::softmax_grad,
                               softmax_slope};
constexpr SoftmaxKind kLogSoftmax{"log_softmax", &SoftmaxFamily::log_softmax,
                                  &SoftmaxFamily::log_softmax_grad, log_softmax_slope};

// x of f32 or f64 and at least one dim.
Tensor along_dim(const SoftmaxKind& kind, const Tensor& x, size_t d) {
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  (kernels(x.device()).softmax().*kind.forward)(around_dim(x.data(), d), around_dim(y, d));
  return record(kind.op, y, {x},
                [sy = SavedResult(y), &kind, d](const Tensor& dy, const Node& node) {
                  if (context().grad_enabled) {
                    return Grads{kind.composition(sy.get(node), dy, static_cast<int64_t>(d))};
                  }
                  Array y = sy.array(node);
                  Array dx = Array::empty(y.shape(), y.dtype(), y.device());
                  (kernels(y.device()).softmax().*kind.backward)(
                      around_dim(y, d), around_dim(dy.data(), d), around_dim(dx, d));
                  return Grads{Tensor(dx)};
                });
}

Tensor of_any_input(const SoftmaxKind& kind, const Tensor& x, int64_t dim,
                    std::optional<DType> dtype) {
  const Composed scope;
  DType result = dtype.value_or(x.dtype());
  TESSERA_CHECK(is_floating(result), "[{}] expected a floating dtype, got {}", kind.op, result);
  size_t d = normalize_dim(dim, std::max<size_t>(x.dim(), 1), kind.op);
  // Straight from 16 bits to what it is computed in: nothing is rounded in between.
  bool narrows = item_size(result) < item_size(x.dtype()) || !is_floating(x.dtype());
  Tensor wide = to(narrows ? to(x, result) : x, compute_dtype_of(result));
  if (x.dim() > 0) return to(along_dim(kind, wide, d), result);
  return to(reshape(along_dim(kind, reshape(wide, {1}), 0), {}), result);
}

}  // namespace

Tensor softmax(TensorArg x, int64_t dim, std::optional<DType> dtype) {
  return of_any_input(kSoftmax, x, dim, dtype);
}

Tensor softmin(TensorArg x, int64_t dim, std::optional<DType> dtype) {
  const Composed scope;
  DType result = dtype.value_or(x.dtype());
  TESSERA_CHECK(is_floating(result), "[softmin] expected a floating dtype, got {}", result);
  normalize_dim(dim, std::max<size_t>(x.dim(), 1), "softmin");
  // The negative of an unsigned integer would wrap around.
  return softmax(neg(is_floating(x.dtype()) ? *x : to(x, result)), dim, dtype);
}

Tensor log_softmax(TensorArg x, int64_t dim, std::optional<DType> dtype) {
  return of_any_input(kLogSoftmax, x, dim, dtype);
}

}  // namespace tessera
