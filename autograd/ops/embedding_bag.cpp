#include "autograd/ops/embedding_bag.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/embedding.h"
#include "autograd/ops/index.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/scatter_reduce.h"
#include "autograd/ops/shape.h"

namespace tessera {
namespace {

constexpr const char* kBagOp = "embedding_bag";

// Which bag each index is in, i64 (K,).
struct Bags {
  Array of;
  int64_t count;
};

Bags bags_of_rows(const Tensor& index) {
  const NoGrad constant;
  Tensor numbers = Array::arange(index.size(0)).to(index.device());
  return {reshape(expand(unsqueeze(numbers, 1), index.shape()), {index.numel()}).data(),
          index.size(0)};
}

Bags bags_from(const Tensor& offsets, int64_t size, bool include_last) {
  bool whole = offsets.dtype() == DType::i64 || offsets.dtype() == DType::i32;
  TESSERA_CHECK(whole && offsets.dim() == 1,
                "[{}] expected offsets of one dim, i64 or i32, got {} {}", kBagOp, offsets.dtype(),
                offsets.shape());
  int64_t count = offsets.size(0) - (include_last ? 1 : 0);
  TESSERA_CHECK(count >= 0, "[{}] expected offsets with the last one, got none", kBagOp);
  // Nobody knows the bags on meta.
  if (offsets.device().type == DeviceType::meta) {
    return {Array::zeros({size}, DType::i64, offsets.device()), count};
  }
  std::vector<int64_t> begins = offsets.data().to(DType::i64).to_vector<int64_t>();
  if (!include_last) begins.push_back(size);
  TESSERA_CHECK(begins.front() == 0 && begins.back() == size,
                "[{}] expected offsets from 0 to {}, got {} and {}", kBagOp, size, begins.front(),
                begins.back());
  std::vector<int64_t> bag;
  for (size_t b = 0; b + 1 < begins.size(); ++b) {
    TESSERA_CHECK(begins[b] <= begins[b + 1] && begins[b + 1] <= size,
                  "[{}] expected offsets up to {} that never fall, got {}, {}", kBagOp, size,
                  begins[b], begins[b + 1]);
    bag.resize(static_cast<size_t>(begins[b + 1]), static_cast<int64_t>(b));
  }
  return {Array::from(bag, {size}).to(offsets.device()), count};
}

Tensor added_by_bag(const Tensor& rows, const Bags& bags) {
  Tensor none = Array::zeros({bags.count, rows.size(1)}, rows.dtype(), rows.device());
  return index_add(none, 0, bags.of, rows);
}

// How many rows each bag has, at least 1: (B, 1).
Tensor bag_sizes(const Tensor& rows, const Bags& bags, const Tensor& padding) {
  const NoGrad constant;
  Tensor ones = Array::full({rows.size(0), 1}, 1, rows.dtype(), rows.device());
  if (padding.defined()) ones = masked_fill(ones, padding, 0);
  return clamp(added_by_bag(ones, bags), 1.0, std::nullopt);
}

// Of each column of each bag the first of the largest elements, a NaN being the largest.
Tensor largest_by_bag(const Tensor& rows, const Bags& bags, const Tensor& padding) {
  int64_t count = rows.size(0);
  if (count == 0) return added_by_bag(rows, bags);
  Dims shape{bags.count, rows.size(1)};
  Tensor first;
  {
    const NoGrad constant;
    Tensor bag = expand(unsqueeze(Tensor(bags.of), 1), rows.shape());
    Tensor known = rows.detach();
    if (padding.defined()) known = masked_fill(known, padding, -INFINITY);
    Tensor lowest = Array::full(shape, -INFINITY, rows.dtype(), rows.device());
    Tensor top = scatter_reduce(lowest, 0, bag, known, ScatterReduce::amax);
    Tensor largest = logical_or(eq(known, index_select(top, 0, bags.of)), isnan(known));
    if (padding.defined()) largest = logical_and(largest, logical_not(padding));
    Tensor place =
        expand(unsqueeze(Tensor(Array::arange(count).to(rows.device())), 1), rows.shape());
    Tensor none = Array::full(shape, static_cast<double>(count), DType::i64, rows.device());
    first = scatter_reduce(none, 0, bag, where(largest, place, count), ScatterReduce::amin);
  }
  Tensor empty = eq(first, count);
  return masked_fill(gather(rows, 0, masked_fill(first, empty, 0)), empty, 0);
}

Tensor joined_bags(const Tensor& table, const Tensor& index, const Bags& bags,
                   const EmbeddingBagOptions& options) {
  TESSERA_CHECK(is_floating(table.dtype()), "[{}] expected a table of a floating dtype, got {}",
                kBagOp, table.dtype());
  const Tensor& weights = options.per_sample_weights;
  if (weights.defined()) {
    TESSERA_CHECK(options.mode == BagMode::sum,
                  "[{}] expected per_sample_weights with the mode sum only", kBagOp);
    TESSERA_CHECK(weights.shape() == index.shape() && weights.dtype() == table.dtype(),
                  "[{}] expected per_sample_weights of the table's dtype {} and index's shape {}, "
                  "got {} {}",
                  kBagOp, table.dtype(), index.shape(), weights.dtype(), weights.shape());
  }
  TESSERA_CHECK(!options.scale_grad_by_freq || options.mode != BagMode::max,
                "[{}] expected scale_grad_by_freq with the modes sum and mean only", kBagOp);
  int64_t count = index.numel();
  Tensor flat = reshape(index, {count});
  // 16-bit floats are added in f32 and rounded once.
  DType wide = compute_dtype_of(table.dtype());
  Tensor rows = to(embedding(table, flat, options.padding_idx, options.max_norm, options.norm_type,
                             options.scale_grad_by_freq),
                   wide);
  Tensor padding;  // (K, 1)
  if (options.padding_idx) {
    int64_t row =
        *options.padding_idx < 0 ? *options.padding_idx + table.size(0) : *options.padding_idx;
    padding = unsqueeze(eq(flat, row), 1);
  }
  Tensor y;
  if (options.mode == BagMode::max) {
    y = largest_by_bag(rows, bags, padding);
  } else {
    if (weights.defined()) rows = rows * to(reshape(weights, {count, 1}), wide);
    if (padding.defined()) rows = masked_fill(rows, padding, 0);
    y = added_by_bag(rows, bags);
    if (options.mode == BagMode::mean) y = y / bag_sizes(rows, bags, padding);
  }
  return to(y, table.dtype());
}

}  // namespace

Tensor embedding_bag(TensorArg table, TensorArg index, const EmbeddingBagOptions& options) {
  const Composed scope;
  TESSERA_CHECK(index.dim() == 2, "[{}] expected an index (B, L) without offsets, got {}", kBagOp,
                index.shape());
  return joined_bags(table, index, bags_of_rows(index), options);
}

Tensor embedding_bag(TensorArg table, TensorArg index, TensorArg offsets,
                     const EmbeddingBagOptions& options) {
  const Composed scope;
  TESSERA_CHECK(index.dim() == 1, "[{}] expected an index (K,) with offsets, got {}", kBagOp,
                index.shape());
  Bags bags = bags_from(offsets, index.size(0), options.include_last_offset);
  return joined_bags(table, index, bags, options);
}

}  // namespace tessera
