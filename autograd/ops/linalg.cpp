#include "autograd/ops/linalg.h"

#include "autograd/ops/einsum.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"

namespace tessera {
namespace {

void check_dims(const char* op, const char* which, const Tensor& x, size_t dims) {
  TESSERA_CHECK(x.dim() == dims, "[{}] expected {} of {} dims, got shape {}", op, which, dims,
                x.shape());
}

Tensor add_scaled(const Tensor& c, const Tensor& product, double beta, double alpha) {
  Tensor scaled = alpha == 1 ? product : product * alpha;
  if (beta == 0) return scaled;
  return (beta == 1 ? c : c * beta) + scaled;
}

// c must broadcast to the shape of the product, not the other way round.
void check_addend(const char* op, const Tensor& c, const Dims& shape) {
  TESSERA_CHECK(c.dim() <= shape.size() && broadcast_shapes(c.shape(), shape, op) == shape,
                "[{}] expected c of a shape that broadcasts to {}, got {}", op, shape, c.shape());
}

// x with the dims named last, in that order, or first; and how many they are.
Tensor with_dims_at(const Tensor& x, const Dims& named, bool last) {
  Dims rest;
  for (size_t d = 0; d < x.dim(); ++d) {
    auto dim = static_cast<int64_t>(d);
    if (std::find(named.begin(), named.end(), dim) == named.end()) rest.push_back(dim);
  }
  Dims order = last ? rest : named;
  for (int64_t d : last ? named : rest) order.push_back(d);
  return permute(x, order);
}

Dims normalized(const Dims& dims, size_t rank) {
  Dims out;
  for (int64_t dim : dims) {
    auto d = static_cast<int64_t>(normalize_dim(dim, rank, "tensordot"));
    TESSERA_CHECK(std::find(out.begin(), out.end(), d) == out.end(),
                  "[tensordot] dim {} is named twice in {}", d, dims);
    out.push_back(d);
  }
  return out;
}

}  // namespace

Tensor mm(TensorArg a, TensorArg b) {
  const Composed scope;
  check_dims("mm", "a", a, 2);
  check_dims("mm", "b", b, 2);
  return matmul(a, b);
}

Tensor bmm(TensorArg a, TensorArg b) {
  const Composed scope;
  check_dims("bmm", "a", a, 3);
  check_dims("bmm", "b", b, 3);
  TESSERA_CHECK(a.size(0) == b.size(0), "[bmm] expected one batch size, got a {} and b {}",
                a.shape(), b.shape());
  return matmul(a, b);
}

Tensor mv(TensorArg a, TensorArg x) {
  const Composed scope;
  check_dims("mv", "a", a, 2);
  check_dims("mv", "x", x, 1);
  return matmul(a, x);
}

Tensor dot(TensorArg a, TensorArg b) {
  const Composed scope;
  check_dims("dot", "a", a, 1);
  check_dims("dot", "b", b, 1);
  return matmul(a, b);
}

Tensor outer(TensorArg a, TensorArg b) {
  const Composed scope;
  check_dims("outer", "a", a, 1);
  check_dims("outer", "b", b, 1);
  return unsqueeze(a, 1) * unsqueeze(b, 0);
}

Tensor addmm(TensorArg c, TensorArg a, TensorArg b, double beta, double alpha) {
  const Composed scope;
  Tensor product = mm(a, b);
  check_addend("addmm", c, product.shape());
  return add_scaled(c, product, beta, alpha);
}

Tensor baddbmm(TensorArg c, TensorArg a, TensorArg b, double beta, double alpha) {
  const Composed scope;
  Tensor product = bmm(a, b);
  check_addend("baddbmm", c, product.shape());
  return add_scaled(c, product, beta, alpha);
}

Tensor tensordot(TensorArg a, TensorArg b, int64_t dims) {
  auto most = static_cast<int64_t>(std::min(a.dim(), b.dim()));
  TESSERA_CHECK(dims >= 0 && dims <= most,
                "[tensordot] expected between 0 and {} dims for a {} and b {}, got {}", most,
                a.shape(), b.shape(), dims);
  Dims a_dims;
  Dims b_dims;
  for (int64_t i = 0; i < dims; ++i) {
    a_dims.push_back(static_cast<int64_t>(a.dim()) - dims + i);
    b_dims.push_back(i);
  }
  return tensordot(a, b, a_dims, b_dims);
}

Tensor tensordot(TensorArg a, TensorArg b, const Dims& a_dims, const Dims& b_dims) {
  const Composed scope;
  TESSERA_CHECK(a_dims.size() == b_dims.size(),
                "[tensordot] expected as many dims of a as of b, got {} and {}", a_dims, b_dims);
  Dims left = normalized(a_dims, a.dim());
  Dims right = normalized(b_dims, b.dim());
  int64_t summed = 1;
  for (size_t i = 0; i < left.size(); ++i) {
    TESSERA_CHECK(a.size(left[i]) == b.size(right[i]),
                  "[tensordot] dim {} of a {} and dim {} of b {} differ in size", left[i],
                  a.shape(), right[i], b.shape());
    summed *= a.size(left[i]);
  }
  Tensor rows = with_dims_at(a, left, /*last=*/true);
  Tensor columns = with_dims_at(b, right, /*last=*/false);
  Dims shape;
  int64_t num_rows = 1;
  int64_t num_columns = 1;
  for (size_t d = 0; d + left.size() < rows.dim(); ++d) {
    shape.push_back(rows.shape()[d]);
    num_rows *= rows.shape()[d];
  }
  for (size_t d = right.size(); d < columns.dim(); ++d) {
    shape.push_back(columns.shape()[d]);
    num_columns *= columns.shape()[d];
  }
  return reshape(matmul(reshape(rows, {num_rows, summed}), reshape(columns, {summed, num_columns})),
                 shape);
}

Tensor kron(TensorArg a, TensorArg b) {
  const Composed scope;
  size_t dims = std::max(a.dim(), b.dim());
  // a (A1, 1, A2, 1, ...) times b (1, B1, 1, B2, ...), then pairs of dims merged.
  Dims a_shape;
  Dims b_shape;
  Dims shape;
  for (size_t d = 0; d < dims; ++d) {
    int64_t x = d + a.dim() < dims ? 1 : a.shape()[d + a.dim() - dims];
    int64_t y = d + b.dim() < dims ? 1 : b.shape()[d + b.dim() - dims];
    a_shape.push_back(x);
    a_shape.push_back(1);
    b_shape.push_back(1);
    b_shape.push_back(y);
    shape.push_back(x * y);
  }
  return reshape(reshape(a, a_shape) * reshape(b, b_shape), shape);
}

Tensor trace(TensorArg x) {
  const Composed scope;
  check_dims("trace", "a matrix", x, 2);
  int64_t size = std::min(x.size(0), x.size(1));
  return einsum("ii->", {slice(slice(x, 0, 0, size), 1, 0, size)});
}

}  // namespace tessera
