#include "autograd/ops/shape.h"

#include "autograd/ops/index.h"
#include "autograd/ops/reduce.h"
#include "autograd/record.h"
#include "core/shape.h"

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

// The pieces between neighbouring borders along dim.
std::vector<Tensor> pieces(const Tensor& x, int64_t dim, const std::vector<Array>& like) {
  const Composed scope;
  std::vector<Tensor> out;
  int64_t at = 0;
  for (const Array& piece : like) {
    int64_t size = piece.size(dim);
    out.push_back(narrow(x, dim, at, size));
    at += size;
  }
  return out;
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

Tensor view(TensorArg x, const Dims& shape) {
  return record_view(
      "view", x.data().view(shape), x,
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor broadcast_to(TensorArg x, const Dims& shape) {
  for (int64_t size : shape) {
    TESSERA_CHECK(size >= 0, "[broadcast_to] negative size in shape {}", shape);
  }
  return expand(x, shape);
}

Tensor squeeze(TensorArg x) {
  return record_view(
      "squeeze", arrays::squeeze(x.data()), x,
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor squeeze(TensorArg x, const Dims& dims) {
  return record_view(
      "squeeze", arrays::squeeze(x.data(), dims), x,
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor flatten(TensorArg x, int64_t start, int64_t end) {
  return reshape(x, arrays::flatten_shape(x.shape(), start, end));
}

Tensor unflatten(TensorArg x, int64_t dim, const Dims& sizes) {
  return record_view(
      "unflatten", arrays::unflatten(x.data(), dim, sizes), x,
      [old = x.shape()](const Tensor& dy, const Node&) { return Grads{reshape(dy, old)}; });
}

Tensor moveaxis(TensorArg x, const Dims& from, const Dims& to) {
  return permute(x, arrays::moveaxis_order(x.dim(), from, to));
}

Tensor narrow(TensorArg x, int64_t dim, int64_t start, int64_t length) {
  return record_view("narrow", arrays::narrow(x.data(), dim, start, length), x,
                     [=, old = x.shape()](const Tensor& dy, const Node&) {
                       return Grads{embed(old, dy, [=](const Tensor& dx) {
                         return narrow(dx, dim, start, length);
                       })};
                     });
}

std::vector<Tensor> split(TensorArg x, int64_t size, int64_t dim) {
  return pieces(x, dim, arrays::split(x.data(), size, dim));
}

std::vector<Tensor> split(TensorArg x, const Dims& sizes, int64_t dim) {
  return pieces(x, dim, arrays::split(x.data(), sizes, dim));
}

std::vector<Tensor> chunk(TensorArg x, int64_t count, int64_t dim) {
  return pieces(x, dim, arrays::chunk(x.data(), count, dim));
}

std::vector<Tensor> unbind(TensorArg x, int64_t dim) {
  const Composed scope;
  int64_t size = x.shape()[normalize_dim(dim, x.dim(), "unbind")];
  std::vector<Tensor> out;
  for (int64_t i = 0; i < size; ++i) out.push_back(select(x, dim, i));
  return out;
}

Tensor diagonal(TensorArg x, int64_t offset, int64_t dim1, int64_t dim2) {
  return record_view("diagonal", arrays::diagonal(x.data(), offset, dim1, dim2), x,
                     [=, old = x.shape()](const Tensor& dy, const Node&) {
                       return Grads{embed(old, dy, [=](const Tensor& dx) {
                         return diagonal(dx, offset, dim1, dim2);
                       })};
                     });
}

// Windows overlap, so the gradient adds: element i of window w belongs to w step + i.
Tensor unfold(TensorArg x, int64_t dim, int64_t size, int64_t step) {
  Array y = arrays::unfold(x.data(), dim, size, step);
  return record_view("unfold", y, x, [=, old = x.shape()](const Tensor& dy, const Node&) {
    Dims whole = old.empty() ? Dims{1} : old;
    auto d = static_cast<int64_t>(normalize_dim(dim, whole.size(), "unfold"));
    int64_t windows = (whole[static_cast<size_t>(d)] - size) / step + 1;
    std::vector<int64_t> from;
    for (int64_t w = 0; w < windows; ++w) {
      for (int64_t i = 0; i < size; ++i) from.push_back(w * step + i);
    }
    Dims full = whole;
    full.push_back(size);
    full[static_cast<size_t>(d)] = windows;
    Tensor joined = flatten(moveaxis(reshape(dy, full), {-1}, {d + 1}), d, d + 1);
    Tensor dx = index_add(Array::zeros(whole, dy.dtype(), dy.device()), d,
                          Array::from(from, {windows * size}), joined);
    return Grads{reshape(dx, old)};
  });
}

}  // namespace tessera
