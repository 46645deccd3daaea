#include "autograd/ops/stacking.h"

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/index.h"
#include "autograd/ops/join.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/index.h"

namespace tessera {
namespace {

void check_defined(const char* op, const std::vector<Tensor>& xs) {
  TESSERA_CHECK(!xs.empty(), "[{}] expected at least one tensor, got none", op);
  for (size_t i = 0; i < xs.size(); ++i) {
    TESSERA_CHECK(xs[i].defined(), "[{}] expected tensors, got an undefined one at {}", op, i);
  }
}

// cat whose errors name op.
Tensor joined(const char* op, const std::vector<Tensor>& xs, size_t dim) {
  for (const Tensor& x : xs) {
    bool fits = x.dim() == xs[0].dim();
    for (size_t d = 0; fits && d < x.dim(); ++d) {
      fits = d == dim || x.shape()[d] == xs[0].shape()[d];
    }
    TESSERA_CHECK(fits, "[{}] expected one shape but for dim {}, got {} and {}", op, dim,
                  xs[0].shape(), x.shape());
  }
  return cat(xs, static_cast<int64_t>(dim));
}

// At least `dims` dims: as hstack, vstack and dstack add them.
Tensor with_dims(const Tensor& x, size_t dims) {
  if (x.dim() >= dims) return x;
  if (x.dim() == 0) return reshape(x, Dims(dims, 1));
  if (dims == 2) return unsqueeze(x, 0);
  return x.dim() == 1 ? unsqueeze(unsqueeze(x, 0), 2) : unsqueeze(x, 2);
}

std::vector<Tensor> all_with_dims(const char* op, const std::vector<Tensor>& xs, size_t dims) {
  check_defined(op, xs);
  std::vector<Tensor> out;
  for (const Tensor& x : xs) out.push_back(with_dims(x, dims));
  return out;
}

// x as repeat_interleave runs over it, and the dim: without one, flattened.
struct Run {
  Tensor x;
  int64_t dim;
};
Run run_of(const Tensor& x, std::optional<int64_t> dim) {
  if (x.dim() == 0) {
    normalize_dim(dim.value_or(0), 1, "repeat_interleave");
    return {reshape(x, {1}), 0};
  }
  if (!dim) return {reshape(x, {x.numel()}), 0};
  return {x, static_cast<int64_t>(normalize_dim(*dim, x.dim(), "repeat_interleave"))};
}

// Index i repeats[i] times: i64.
Array repeated_indices(const Array& repeats) {
  Array counts = arrays::wide_index(repeats, "repeat_interleave").to(Device{}).contiguous();
  const auto* count = counts.data<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < counts.numel(); ++i) {
    TESSERA_CHECK(count[i] >= 0 && count[i] <= INT64_MAX / 16 - total,
                  "[repeat_interleave] expected repeats of at least 0 that fit into memory, got {} "
                  "at {}",
                  count[i], i);
    total += count[i];
  }
  Array out = Array::empty({total}, DType::i64);
  auto* at = out.data<int64_t>();
  for (int64_t i = 0; i < counts.numel(); ++i) at = std::fill_n(at, count[i], i);
  return out.to(repeats.device());
}

void check_repeats(const Tensor& repeats) {
  TESSERA_CHECK(repeats.dtype() == DType::i64 || repeats.dtype() == DType::i32,
                "[repeat_interleave] expected repeats of i64 or i32, got {}", repeats.dtype());
  TESSERA_CHECK(repeats.dim() <= 1,
                "[repeat_interleave] expected repeats of at most one dim, got shape {}",
                repeats.shape());
}

void check_output_size(std::optional<int64_t> given, int64_t size) {
  TESSERA_CHECK(!given || *given == size,
                "[repeat_interleave] expected the sum of repeats as output_size, {}, got {}", size,
                *given);
}

Tensor difference(const Tensor& x, int64_t dim) {
  int64_t count = x.size(dim) - 1;
  Tensor after = narrow(x, dim, 1, count);
  Tensor before = narrow(x, dim, 0, count);
  return x.dtype() == DType::boolean ? logical_xor(after, before) : after - before;
}

}  // namespace

Tensor clone(TensorArg x) {
  return record("clone", x.data().clone(), {x},
                [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

Tensor hstack(const std::vector<Tensor>& xs, CallSite site) {
  const NotedCall call(site);
  const Composed scope;
  std::vector<Tensor> parts = all_with_dims("hstack", xs, 1);
  return joined("hstack", parts, parts[0].dim() == 1 ? 0 : 1);
}

Tensor vstack(const std::vector<Tensor>& xs, CallSite site) {
  const NotedCall call(site);
  const Composed scope;
  return joined("vstack", all_with_dims("vstack", xs, 2), 0);
}

Tensor dstack(const std::vector<Tensor>& xs, CallSite site) {
  const NotedCall call(site);
  const Composed scope;
  return joined("dstack", all_with_dims("dstack", xs, 3), 2);
}

Tensor column_stack(const std::vector<Tensor>& xs, CallSite site) {
  const NotedCall call(site);
  const Composed scope;
  check_defined("column_stack", xs);
  std::vector<Tensor> columns;
  for (const Tensor& x : xs) columns.push_back(x.dim() > 1 ? x : reshape(x, {x.numel(), 1}));
  return joined("column_stack", columns, 1);
}

std::vector<Tensor> tensor_split(TensorArg x, int64_t sections, int64_t dim) {
  const Composed scope;
  size_t d = normalize_dim(dim, x.dim(), "tensor_split");
  TESSERA_CHECK(sections > 0, "[tensor_split] expected at least 1 section, got {}", sections);
  int64_t size = x.shape()[d] / sections;
  int64_t larger = x.shape()[d] % sections;
  std::vector<Tensor> out;
  int64_t at = 0;
  for (int64_t i = 0; i < sections; ++i) {
    int64_t length = size + (i < larger ? 1 : 0);
    out.push_back(narrow(x, static_cast<int64_t>(d), at, length));
    at += length;
  }
  return out;
}

std::vector<Tensor> tensor_split(TensorArg x, const Dims& indices, int64_t dim) {
  const Composed scope;
  auto d = static_cast<int64_t>(normalize_dim(dim, x.dim(), "tensor_split"));
  std::vector<Tensor> out;
  int64_t start = 0;
  for (int64_t stop : indices) {
    out.push_back(slice(x, d, start, stop));
    start = stop;
  }
  out.push_back(slice(x, d, start, INT64_MAX));
  return out;
}

std::vector<Tensor> tensor_split(TensorArg x, TensorArg sections_or_indices, int64_t dim) {
  const Tensor& at = *sections_or_indices;
  TESSERA_CHECK(at.dtype() == DType::i64 && at.dim() <= 1,
                "[tensor_split] expected sections or indices of i64 and at most one dim, got {} of "
                "shape {}",
                at.dtype(), at.shape());
  if (at.dim() == 0) return tensor_split(x, at.item<int64_t>(), dim);
  std::vector<int64_t> indices = at.data().to_vector<int64_t>();
  return tensor_split(x, Dims(std::span<const int64_t>(indices)), dim);
}

std::vector<Tensor> broadcast_tensors(const std::vector<Tensor>& xs, CallSite site) {
  const NotedCall call(site);
  const Composed scope;
  if (xs.empty()) return {};
  check_defined("broadcast_tensors", xs);
  Dims shape;
  for (const Tensor& x : xs) shape = broadcast_shapes(shape, x.shape(), "broadcast_tensors");
  std::vector<Tensor> out;
  for (const Tensor& x : xs) out.push_back(expand(x, shape));
  return out;
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& xs, MeshIndexing indexing, CallSite site) {
  const NotedCall call(site);
  const Composed scope;
  check_defined("meshgrid", xs);
  // The dim of the grid along which each of xs runs.
  auto dim_of = [&](size_t i) {
    return indexing == MeshIndexing::xy && xs.size() > 1 && i < 2 ? 1 - i : i;
  };
  Dims shape(xs.size(), 1);
  for (size_t i = 0; i < xs.size(); ++i) {
    TESSERA_CHECK(xs[i].dim() <= 1, "[meshgrid] expected tensors of at most one dim, got shape {}",
                  xs[i].shape());
    TESSERA_CHECK(xs[i].dtype() == xs[0].dtype() && xs[i].device() == xs[0].device(),
                  "[meshgrid] expected one dtype and device, got {} on {} and {} on {}",
                  xs[0].dtype(), xs[0].device(), xs[i].dtype(), xs[i].device());
    shape[dim_of(i)] = xs[i].numel();
  }
  std::vector<Tensor> out;
  for (size_t i = 0; i < xs.size(); ++i) {
    Dims line(xs.size(), 1);
    line[dim_of(i)] = xs[i].numel();
    out.push_back(expand(reshape(xs[i], line), shape));
  }
  return out;
}

Tensor repeat_interleave(TensorArg x, int64_t repeats, std::optional<int64_t> dim,
                         std::optional<int64_t> output_size) {
  const Composed scope;
  TESSERA_CHECK(repeats >= 0, "[repeat_interleave] expected repeats of at least 0, got {}",
                repeats);
  Run run = run_of(x, dim);
  auto d = static_cast<size_t>(run.dim);
  Dims spread = run.x.shape();
  TESSERA_CHECK(repeats <= INT64_MAX / std::max<int64_t>(1, spread[d]),
                "[repeat_interleave] expected a result that fits into memory, got {} repeats of {}",
                repeats, run.x.shape());
  spread.insert(d + 1, repeats);
  Dims shape = run.x.shape();
  shape[d] *= repeats;
  check_output_size(output_size, shape[d]);

  Tensor y = reshape(expand(unsqueeze(run.x, run.dim + 1), spread), shape);
  return y.data().storage() == x.data().storage() ? clone(y) : y;
}

Tensor repeat_interleave(TensorArg x, TensorArg repeats, std::optional<int64_t> dim,
                         std::optional<int64_t> output_size) {
  const Composed scope;
  check_repeats(repeats);
  Run run = run_of(x, dim);
  int64_t size = run.x.size(run.dim);
  TESSERA_CHECK(repeats.numel() == size || repeats.numel() == 1,
                "[repeat_interleave] expected 1 or {} repeats for dim {} of {}, got {}", size,
                run.dim, run.x.shape(), repeats.numel());
  Array at = repeated_indices(repeats.data().reshape({repeats.numel()}).expand({size}));
  check_output_size(output_size, at.numel());
  return index_select(run.x, run.dim, at);
}

Tensor repeat_interleave(TensorArg repeats) {
  check_repeats(repeats);
  TESSERA_CHECK(repeats.dim() == 1, "[repeat_interleave] expected repeats of one dim, got shape {}",
                repeats.shape());
  return Tensor(repeated_indices(repeats.data()).to(repeats.dtype()));
}

Tensor rot90(TensorArg x, int64_t k, const Dims& dims) {
  const Composed scope;
  TESSERA_CHECK(dims.size() == 2 && x.dim() >= 2,
                "[rot90] expected two dims to turn in and x of two or more, got {} and x {}", dims,
                x.shape());
  auto from = static_cast<int64_t>(normalize_dim(dims[0], x.dim(), "rot90"));
  auto towards = static_cast<int64_t>(normalize_dim(dims[1], x.dim(), "rot90"));
  TESSERA_CHECK(from != towards, "[rot90] expected two different dims, got {}", dims);
  switch ((k % 4 + 4) % 4) {
    case 0: return clone(x);
    case 1: return transpose(flip(x, {towards}), from, towards);
    case 2: return flip(x, {from, towards});
    default: return transpose(flip(x, {from}), from, towards);
  }
}

Tensor diff(TensorArg x, int64_t n, int64_t dim, TensorArg prepend, TensorArg append) {
  const Composed scope;
  TESSERA_CHECK(x.dim() >= 1, "[diff] expected at least one dim, got a 0-d tensor");
  TESSERA_CHECK(n >= 0, "[diff] expected an order of at least 0, got {}", n);
  size_t d = normalize_dim(dim, x.dim(), "diff");
  if (n == 0) return clone(x);
  std::vector<Tensor> parts;
  if (prepend.defined()) parts.push_back(prepend);
  parts.push_back(x);
  if (append.defined()) parts.push_back(append);
  Tensor y = parts.size() == 1 ? *x : joined("diff", parts, d);
  auto along = static_cast<int64_t>(d);
  int64_t rounds = std::min(n, y.size(along));
  for (int64_t i = 0; i < rounds; ++i) y = difference(y, along);
  return y;
}

}  // namespace tessera
