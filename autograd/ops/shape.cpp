#include "autograd/ops/shape.h"

#include "autograd/ops/reduce.h"
#include "autograd/record.h"

namespace tessera {
namespace {

// The gradient of a view that drops elements: zeros with dy in the view's place.
template <class View>
Grads scatter_into_zeros(const Dims& shape, const Tensor& dy, View view) {
  Array dx = Array::zeros(shape, dy.dtype(), dy.device());
  view(dx).copy_(dy.data());
  return {Tensor(dx)};
}

}  // namespace

Tensor reshape(const Tensor& x, const Dims& shape) {
  return record(
      "reshape", x.data().reshape(shape), {&x},
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  return record(
      "transpose", x.data().transpose(dim0, dim1), {&x},
      [dim0, dim1](const Tensor& dy, const Node&) { return Grads{transpose(dy, dim0, dim1)}; });
}

Tensor permute(const Tensor& x, const Dims& dims) {
  Array y = x.data().permute(dims);
  Dims inverse = dims;
  for (size_t i = 0; i < dims.size(); ++i) {
    inverse[normalize_dim(dims[i], dims.size(), "permute")] = static_cast<int64_t>(i);
  }
  return record("permute", y, {&x},
                [inverse](const Tensor& dy, const Node&) { return Grads{permute(dy, inverse)}; });
}

Tensor expand(const Tensor& x, const Dims& shape) {
  return record(
      "expand", x.data().expand(shape), {&x},
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{sum_to(dy, old)}; });
}

Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t stop, int64_t step) {
  return record("slice", x.data().slice(dim, start, stop, step), {&x},
                [=, old = x.shape()](const Tensor& dy, const Node&) {
                  return scatter_into_zeros(
                      old, dy, [&](const Array& dx) { return dx.slice(dim, start, stop, step); });
                });
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  return record("select", x.data().select(dim, index), {&x},
                [=, old = x.shape()](const Tensor& dy, const Node&) {
                  return scatter_into_zeros(old, dy,
                                            [&](const Array& dx) { return dx.select(dim, index); });
                });
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  return record(
      "unsqueeze", x.data().unsqueeze(dim), {&x},
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor squeeze(const Tensor& x, int64_t dim) {
  return record(
      "squeeze", x.data().squeeze(dim), {&x},
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor contiguous(const Tensor& x) {
  if (x.data().is_contiguous()) return x;
  return record("contiguous", x.data().contiguous(), {&x},
                [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

Tensor to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  TESSERA_CHECK(!x.requires_grad() || is_floating(dtype),
                "[to] {} has no gradient; detach the tensor first", dtype);
  return record("to", x.data().to(dtype), {&x},
                [old = x.dtype()](const Tensor& dy, const Node&) { return Grads{to(dy, old)}; });
}

}  // namespace tessera
