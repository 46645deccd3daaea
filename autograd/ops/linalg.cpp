#include "autograd/ops/linalg.h"

#include <algorithm>

#include "autograd/ops/einsum.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "core/promotion.h"

namespace tessera {
namespace {

void check_dims(const char* op, const char* which, const Tensor& x, size_t dims) {
  TESSERA_CHECK(x.dim() == dims, "[{}] expected {} of {} dims, got shape {}", op, which, dims,
                x.shape());
}

// x times a number of x's own kind: integers stay integers.
Tensor scaled(const char* op, const Tensor& x, const Scalar& factor) {
  if (factor.to<double>() == 1) return x;
  if (is_floating(x.dtype()) || x.dtype() == DType::boolean) return x * factor;
  check_holds(op, DType::i64, factor);
  return x * Scalar(factor.to<int64_t>());
}

Tensor add_scaled(const char* op, const Tensor& c, const Tensor& product, const Scalar& beta,
                  const Scalar& alpha) {
  Tensor addend = scaled(op, product, alpha);
  if (beta.to<double>() == 0) return addend;
  return scaled(op, c, beta) + addend;
}

// The size that the products of rows of a with columns of b run over.
void check_inner(const char* op, const Tensor& a, const Tensor& b) {
  TESSERA_CHECK(a.size(-1) == b.size(b.dim() == 1 ? 0 : -2),
                "[{}] expected the last dim of a {} to match the {} dim of b {}", op, a.shape(),
                b.dim() <= 2 ? "first" : "last but one", b.shape());
  TESSERA_CHECK(a.dtype() == b.dtype() && a.dtype() != DType::boolean,
                "[{}] expected two of one dtype, of numbers, got {} and {}", op, a.dtype(),
                b.dtype());
}

Tensor product(const char* op, const Tensor& a, size_t a_dims, const Tensor& b, size_t b_dims) {
  check_dims(op, "a", a, a_dims);
  check_dims(op, "b", b, b_dims);
  check_inner(op, a, b);
  TESSERA_CHECK(a_dims < 3 || a.size(0) == b.size(0),
                "[{}] expected one batch size, got a {} and b {}", op, a.shape(), b.shape());
  return matmul(a, b);
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
  return product("mm", a, 2, b, 2);
}

Tensor bmm(TensorArg a, TensorArg b) {
  const Composed scope;
  return product("bmm", a, 3, b, 3);
}

Tensor mv(TensorArg a, TensorArg x) {
  const Composed scope;
  check_dims("mv", "x", x, 1);
  return product("mv", a, 2, x, 1);
}

Tensor dot(TensorArg a, TensorArg b) {
  const Composed scope;
  return product("dot", a, 1, b, 1);
}

Tensor outer(TensorArg a, TensorArg b) {
  const Composed scope;
  check_dims("outer", "a", a, 1);
  check_dims("outer", "b", b, 1);
  return unsqueeze(a, 1) * unsqueeze(b, 0);
}

Tensor addmm(TensorArg c, TensorArg a, TensorArg b, Scalar beta, Scalar alpha) {
  const Composed scope;
  Tensor products = product("addmm", a, 2, b, 2);
  check_addend("addmm", c, products.shape());
  return add_scaled("addmm", c, products, beta, alpha);
}

Tensor baddbmm(TensorArg c, TensorArg a, TensorArg b, Scalar beta, Scalar alpha) {
  const Composed scope;
  Tensor products = product("baddbmm", a, 3, b, 3);
  check_addend("baddbmm", c, products.shape());
  return add_scaled("baddbmm", c, products, beta, alpha);
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

Tensor bilinear(TensorArg a, TensorArg b, TensorArg weight, TensorArg bias) {
  const Composed scope;
  const char* op = "bilinear";
  DType dtype = weight.dtype();
  TESSERA_CHECK(is_floating(dtype) && a.dtype() == dtype && b.dtype() == dtype &&
                    (!bias.defined() || bias.dtype() == dtype),
                "[{}] expected tensors of one floating dtype, got {}, {} and a weight of {}", op,
                a.dtype(), b.dtype(), dtype);
  check_dims(op, "a weight", weight, 3);
  TESSERA_CHECK(a.dim() >= 1 && a.dim() == b.dim() && a.size(-1) == weight.size(1) &&
                    b.size(-1) == weight.size(2) &&
                    std::equal(a.shape().begin(), a.shape().end() - 1, b.shape().begin()),
                "[{}] expected a (..., I) and b (..., J) for a weight (O, I, J), got {}, {} and {}",
                op, a.shape(), b.shape(), weight.shape());
  TESSERA_CHECK(!bias.defined() || bias.shape() == Dims{weight.size(0)},
                "[{}] expected a bias of shape ({},), got {}", op, weight.size(0), bias.shape());
  DType wide = compute_dtype_of(dtype);
  int64_t out = weight.size(0);
  int64_t inner = weight.size(1);
  Dims shape = a.shape();
  shape[shape.size() - 1] = out;
  int64_t rows = num_elements(Dims(std::span(a.shape().data(), a.dim() - 1)));
  Tensor by_left = reshape(permute(to(weight, wide), {1, 0, 2}), {inner, out * weight.size(2)});
  Tensor left = matmul(reshape(to(a, wide), {rows, inner}), by_left);
  Tensor right = reshape(to(b, wide), {rows, weight.size(2), 1});
  Tensor y = reshape(matmul(reshape(left, {rows, out, weight.size(2)}), right), shape);
  if (bias.defined()) y = y + to(bias, wide);
  return to(y, dtype);
}

Tensor trace(TensorArg x) {
  const Composed scope;
  check_dims("trace", "a matrix", x, 2);
  int64_t size = std::min(x.size(0), x.size(1));
  return einsum("ii->", {slice(slice(x, 0, 0, size), 1, 0, size)});
}

}  // namespace tessera
