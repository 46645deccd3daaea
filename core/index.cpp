#include "core/index.h"

#include "core/backend.h"
#include "core/kernels.h"
#include "core/kernels/fold.h"
#include "core/kernels/index.h"

namespace tessera::arrays {
namespace {

void check_same(const char* op, const Array& x, const Array& source) {
  TESSERA_CHECK(x.dtype() == source.dtype(), "[{}] expected a source of {}, got {}", op, x.dtype(),
                source.dtype());
  TESSERA_CHECK(x.device() == source.device(), "[{}] expected a source on {}, got {}", op,
                x.device(), source.device());
}

// Zero dims count as one of size 1.
Array at_least_one_dim(const Array& x) { return x.dim() == 0 ? x.unsqueeze(0) : x; }

void check_fits(const char* op, const Array& index, const Array& x, size_t dim, const char* what) {
  TESSERA_CHECK(index.dim() == x.dim(), "[{}] expected an index of {} dims, got {} for shape {}",
                op, x.dim(), index.shape(), x.shape());
  for (size_t d = 0; d < x.dim(); ++d) {
    TESSERA_CHECK(d == dim || index.shape()[d] <= x.shape()[d],
                  "[{}] expected an index of at most the sizes of the {}{}, got {} for {}", op,
                  what, dim < x.dim() ? fmt::format(" except in dim {}", dim) : "", index.shape(),
                  x.shape());
  }
}

// The indices as i64 of one shape, and the shape of what they select.
struct Broadcast {
  std::vector<Array> indices;
  Dims shape;
};

Broadcast broadcast_indices(const char* op, const Array& x, const std::vector<Array>& indices) {
  TESSERA_CHECK(!indices.empty() && indices.size() <= x.dim(),
                "[{}] expected 1 to {} index arrays for shape {}, got {}", op, x.dim(), x.shape(),
                indices.size());
  Broadcast out;
  for (const Array& index : indices) out.shape = broadcast_shapes(out.shape, index.shape(), op);
  for (const Array& index : indices) {
    out.indices.push_back(wide_index(index, op).expand(out.shape));
  }
  for (size_t d = indices.size(); d < x.dim(); ++d) out.shape.push_back(x.shape()[d]);
  return out;
}

}  // namespace

Array wide_index(const Array& index, const char* op) {
  TESSERA_CHECK(index.dtype() == DType::i64 || index.dtype() == DType::i32,
                "[{}] expected an index of i64 or i32, got {}", op, index.dtype());
  return index.to(DType::i64);
}

Array gather(const Array& x, int64_t dim, const Array& index, const char* op) {
  Array from = at_least_one_dim(x);
  Array at = at_least_one_dim(wide_index(index, op));
  size_t d = normalize_dim(dim, from.dim(), op);
  // An empty index fits everything of its number of dims.
  if (at.numel() > 0) check_fits(op, at, from, d, "source");
  Array out = Array::empty(at.shape(), x.dtype(), x.device());
  if (at.numel() > 0) kernels(x.device()).index().gather(op, from, d, at, out);
  return out.view(index.shape());
}

Array take_along_dim(const Array& x, const Array& index, int64_t dim) {
  const char* op = "take_along_dim";
  TESSERA_CHECK(x.dim() == index.dim(), "[{}] expected an index of {} dims, got {} for shape {}",
                op, x.dim(), index.shape(), x.shape());
  size_t d = normalize_dim(dim, x.dim(), op);
  Dims from = x.shape();
  Dims at = index.shape();
  from[d] = 1;
  at[d] = 1;
  Dims shape = broadcast_shapes(from, at, op);
  from = shape;
  from[d] = x.shape()[d];
  shape[d] = index.shape()[d];
  return gather(x.expand(from), dim, index.expand(shape), op);
}

void scatter_(const Array& x, int64_t dim, const Array& index, const Array& source, ScatterOp how,
              const char* op) {
  check_same(op, x, source);
  Array to = at_least_one_dim(x);
  Array from = at_least_one_dim(source);
  Array at = at_least_one_dim(wide_index(index, op));
  size_t d = normalize_dim(dim, to.dim(), op);
  if (at.numel() == 0) return;
  check_fits(op, at, to, d, "target");
  check_fits(op, at, from, from.dim(), "source");
  kernels(x.device()).index().scatter(op, how, from, d, at, to);
}

Array index_select(const Array& x, int64_t dim, const Array& index) {
  const char* op = "index_select";
  TESSERA_CHECK(index.dim() <= 1, "[{}] expected an index of at most one dim, got shape {}", op,
                index.shape());
  Array from = at_least_one_dim(x);
  auto d = static_cast<int64_t>(normalize_dim(dim, from.dim(), op));
  Array at = at_least_one_dim(wide_index(index, op));
  Dims shape = from.shape();
  shape[static_cast<size_t>(d)] = at.numel();
  Array out = Array::empty(shape, x.dtype(), x.device());
  kernels(x.device())
      .index()
      .take(op, from.transpose(0, d), std::span(&at, 1), out.transpose(0, d));
  return x.dim() == 0 ? out.view({}) : out;
}

void index_add_(const Array& x, int64_t dim, const Array& index, const Array& source) {
  const char* op = "index_add";
  check_same(op, x, source);
  TESSERA_CHECK(index.dim() <= 1, "[{}] expected an index of at most one dim, got shape {}", op,
                index.shape());
  Array to = at_least_one_dim(x);
  Array from = at_least_one_dim(source);
  auto d = static_cast<int64_t>(normalize_dim(dim, to.dim(), op));
  Array at = at_least_one_dim(wide_index(index, op));
  Dims shape = to.shape();
  shape[static_cast<size_t>(d)] = at.numel();
  TESSERA_CHECK(from.shape() == shape, "[{}] expected a source of shape {}, got {}", op, shape,
                source.shape());
  kernels(x.device())
      .index()
      .put(op, ScatterOp::add, from.transpose(0, d), std::span(&at, 1), to.transpose(0, d));
}

Array take(const Array& x, const std::vector<Array>& indices, const char* op) {
  Broadcast b = broadcast_indices(op, x, indices);
  Array out = Array::empty(b.shape, x.dtype(), x.device());
  kernels(x.device()).index().take(op, x, b.indices, out);
  return out;
}

void put_(const Array& x, const std::vector<Array>& indices, const Array& values, ScatterOp how,
          const char* op) {
  check_same(op, x, values);
  Broadcast b = broadcast_indices(op, x, indices);
  TESSERA_CHECK(broadcast_shapes(b.shape, values.shape(), op) == b.shape,
                "[{}] expected values that broadcast to {}, got {}", op, b.shape, values.shape());
  kernels(x.device()).index().put(op, how, values.expand(b.shape), b.indices, x);
}

namespace {

// For the shape of a result: the host looks.
int64_t count_nonzero(const Array& x, const char* op) {
  TESSERA_CHECK(backend(x.device()).has_elements(),
                "[{}] the size of the result depends on elements, which {} has not", op,
                x.device());
  Array count = Array::empty({1, 1}, DType::i64, x.device());
  kernels(x.device()).fold().run(FoldOp::count_nonzero, x, count);
  return count.item<int64_t>();
}

}  // namespace

Array nonzero(const Array& x) {
  Array out = Array::empty({count_nonzero(x, "nonzero"), static_cast<int64_t>(x.dim())}, DType::i64,
                           x.device());
  kernels(x.device()).index().nonzero(x, out);
  return out;
}

Array masked_select(const Array& x, const Array& mask) {
  TESSERA_CHECK(mask.dtype() == DType::boolean, "[masked_select] expected a mask of bool, got {}",
                mask.dtype());
  Dims shape = broadcast_shapes(x.shape(), mask.shape(), "masked_select");
  Array where = mask.expand(shape);
  Array out = Array::empty({count_nonzero(where, "masked_select")}, x.dtype(), x.device());
  kernels(x.device()).index().masked_select(x.expand(shape), where, out);
  return out;
}

}  // namespace tessera::arrays
