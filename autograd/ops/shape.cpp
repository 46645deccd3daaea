#include "autograd/ops/shape.h"

#include "autograd/ops/reduce.h"
#include "autograd/record.h"

namespace tessera {
namespace {

// The gradient of a view that drops elements: zeros with dy in the view's place. Its own gradient
// is the view again.
template <class View>
Tensor embed(const Dims& shape, const Tensor& dy, View view) {
  Array dx = Array::zeros(shape, dy.dtype(), dy.device());
  view(Tensor(dx)).data().copy_(dy.data());
  return record("embed", dx, {dy},
                [view](const Tensor& ddx, const Node&) { return Grads{view(ddx)}; });
}

}  // namespace

Tensor reshape(TensorArg x, const Dims& shape) {
  Array y = x.data().reshape(shape);
  Tensor out = record("reshape", y, {x}, [old = x.shape()](const Tensor& dy, const Node&) {
    return Grads{reshape(dy, old)};
  });
  return y.storage() == x.data().storage() ? as_view_of(x, out) : out;
}

Tensor transpose(TensorArg x, int64_t dim0, int64_t dim1) {
  return record_view(
      "transpose", x.data().transpose(dim0, dim1), x,
      [dim0, dim1](const Tensor& dy, const Node&) { return Grads{transpose(dy, dim0, dim1)}; });
}

Tensor permute(TensorArg x, const Dims& dims) {
  Array y = x.data().permute(dims);
  Dims inverse = dims;
  for (size_t i = 0; i < dims.size(); ++i) {
    inverse[normalize_dim(dims[i], dims.size(), "permute")] = static_cast<int64_t>(i);
  }
  return record_view("permute", y, x, [inverse](const Tensor& dy, const Node&) {
    return Grads{permute(dy, inverse)};
  });
}

Tensor expand(TensorArg x, const Dims& shape) {
  return record_view(
      "expand", x.data().expand(shape), x,
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{sum_to(dy, old)}; });
}

Tensor slice(TensorArg x, int64_t dim, int64_t start, int64_t stop, int64_t step) {
  return record_view("slice", x.data().slice(dim, start, stop, step), x,
                     [=, old = x.shape()](const Tensor& dy, const Node&) {
                       return Grads{embed(old, dy, [=](const Tensor& dx) {
                         return slice(dx, dim, start, stop, step);
                       })};
                     });
}

Tensor select(TensorArg x, int64_t dim, int64_t index) {
  return record_view(
      "select", x.data().select(dim, index), x,
      [=, old = x.shape()](const Tensor& dy, const Node&) {
        return Grads{embed(old, dy, [=](const Tensor& dx) { return select(dx, dim, index); })};
      });
}

Tensor unsqueeze(TensorArg x, int64_t dim) {
  return record_view(
      "unsqueeze", x.data().unsqueeze(dim), x,
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor squeeze(TensorArg x, int64_t dim) {
  return record_view(
      "squeeze", x.data().squeeze(dim), x,
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor contiguous(TensorArg x) {
  if (x.data().is_contiguous()) return x;
  return record("contiguous", x.data().contiguous(), {x},
                [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

Tensor to(TensorArg x, DType dtype) {
  if (x.dtype() == dtype) return x;
  // Integers have no gradient: what is made of them is a constant.
  if (!is_floating(dtype)) return Tensor(x.data().to(dtype));
  return record("to", x.data().to(dtype), {x},
                [old = x.dtype()](const Tensor& dy, const Node&) { return Grads{to(dy, old)}; });
}

}  // namespace tessera
