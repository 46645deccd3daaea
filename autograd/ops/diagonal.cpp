#include "autograd/ops/diagonal.h"

#include "autograd/ops/shape.h"
#include "autograd/ops/stacking.h"
#include "autograd/record.h"
#include "core/shape.h"

namespace tessera {
namespace {

// x with source in the place of view(x); dx is dy with zeros there, dsource is view(dy).
template <class View>
Tensor written(const char* op, const Tensor& x, const Tensor& source, View view) {
  const Composed scope;
  Array y = x.data().clone();
  Array part = view(Tensor(y)).data();
  TESSERA_CHECK(part.shape() == source.shape(), "[{}] expected a source of shape {}, got {}", op,
                part.shape(), source.shape());
  TESSERA_CHECK(x.device() == source.device(), "[{}] expected one device, got {} and {}", op,
                x.device(), source.device());
  part.copy_(source.data());
  return record(
      op, y, {x, source},
      [=, shape = part.shape(), dtype = source.dtype()](const Tensor& dy, const Node& node) {
        Grads grads(2);
        if (node.wants(0)) {
          Tensor zeros(Array::zeros(shape, dy.dtype(), dy.device()));
          grads[0] = written(op, dy, zeros, view);
        }
        if (node.wants(1)) grads[1] = to(view(dy), dtype);
        return grads;
      });
}

// The columns [first(row), last(row)) of each row, as (2, count).
template <class First, class Last>
Tensor indices(int64_t rows, DType dtype, First first, Last last) {
  int64_t count = 0;
  for (int64_t r = 0; r < rows; ++r) count += last(r) - first(r);
  Array out = Array::empty({2, count}, DType::i64);
  auto* row = out.data<int64_t>();
  auto* column = row + count;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = first(r); c < last(r); ++c) {
      *row++ = r;
      *column++ = c;
    }
  }
  return Tensor(out.to(dtype));
}

void check_indices(const char* op, int64_t rows, int64_t cols, DType dtype) {
  TESSERA_CHECK(rows >= 0 && cols >= 0,
                "[{}] expected numbers of rows and columns of at least 0, got {} and {}", op, rows,
                cols);
  num_elements({rows, cols});
  TESSERA_CHECK(dtype == DType::i64 || dtype == DType::i32, "[{}] expected i64 or i32, got {}", op,
                dtype);
}

}  // namespace

Tensor diag(TensorArg x, int64_t diagonal_offset) {
  const Composed scope;
  TESSERA_CHECK(x.dim() == 1 || x.dim() == 2, "[diag] expected a vector or a matrix, got shape {}",
                x.shape());
  if (x.dim() == 1) return diag_embed(x, diagonal_offset);
  return clone(diagonal(x, diagonal_offset));
}

Tensor diag_embed(TensorArg x, int64_t offset, int64_t dim1, int64_t dim2) {
  TESSERA_CHECK(x.dim() >= 1, "[diag_embed] expected at least one dim, got a 0-d tensor");
  size_t a = normalize_dim(dim1, x.dim() + 1, "diag_embed");
  size_t b = normalize_dim(dim2, x.dim() + 1, "diag_embed");
  TESSERA_CHECK(a != b, "[diag_embed] expected two different dims, got {} and {}", dim1, dim2);
  constexpr int64_t kMost = int64_t{1} << 40;
  TESSERA_CHECK(offset > -kMost && offset < kMost,
                "[diag_embed] expected a matrix that fits into memory, got an offset of {}",
                offset);
  int64_t size = x.size(-1) + std::abs(offset);
  Dims shape = x.shape();
  shape.erase(shape.size() - 1);
  shape.insert(std::min(a, b), size);
  shape.insert(std::max(a, b), size);
  Array y = Array::zeros(shape, x.dtype(), x.device());
  arrays::diagonal(y, offset, dim1, dim2).copy_(x.data());
  return record("diag_embed", y, {x}, [=](const Tensor& dy, const Node&) {
    return Grads{diagonal(dy, offset, dim1, dim2)};
  });
}

Tensor tril_indices(int64_t rows, int64_t cols, int64_t offset, DType dtype) {
  check_indices("tril_indices", rows, cols, dtype);
  int64_t shift = std::clamp(offset, -rows, cols);
  return indices(
      rows, dtype, [](int64_t) { return int64_t{0}; },
      [=](int64_t r) { return std::clamp<int64_t>(r + shift + 1, 0, cols); });
}

Tensor triu_indices(int64_t rows, int64_t cols, int64_t offset, DType dtype) {
  check_indices("triu_indices", rows, cols, dtype);
  int64_t shift = std::clamp(offset, -rows, cols);
  return indices(
      rows, dtype, [=](int64_t r) { return std::clamp<int64_t>(r + shift, 0, cols); },
      [=](int64_t) { return cols; });
}

Tensor select_scatter(TensorArg x, TensorArg source, int64_t dim, int64_t index) {
  size_t d = normalize_dim(dim, x.dim(), "select_scatter");
  int64_t size = x.shape()[d];
  TESSERA_CHECK(index >= -size && index < size,
                "[select_scatter] expected an index in [{}, {}) for dim {} of {}, got {}", -size,
                size, d, x.shape(), index);
  return written("select_scatter", x, source,
                 [=](const Tensor& whole) { return select(whole, dim, index); });
}

Tensor slice_scatter(TensorArg x, TensorArg source, int64_t dim, std::optional<int64_t> start,
                     std::optional<int64_t> end, int64_t step) {
  normalize_dim(dim, x.dim(), "slice_scatter");
  TESSERA_CHECK(step > 0, "[slice_scatter] expected a step of at least 1, got {}", step);
  int64_t from = start.value_or(0);
  int64_t to = end.value_or(INT64_MAX);
  return written("slice_scatter", x, source,
                 [=](const Tensor& whole) { return slice(whole, dim, from, to, step); });
}

Tensor diagonal_scatter(TensorArg x, TensorArg source, int64_t offset, int64_t dim1, int64_t dim2) {
  size_t a = normalize_dim(dim1, x.dim(), "diagonal_scatter");
  size_t b = normalize_dim(dim2, x.dim(), "diagonal_scatter");
  TESSERA_CHECK(a != b, "[diagonal_scatter] expected two different dims, got {} and {}", dim1,
                dim2);
  return written("diagonal_scatter", x, source,
                 [=](const Tensor& whole) { return diagonal(whole, offset, dim1, dim2); });
}

}  // namespace tessera
