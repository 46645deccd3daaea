#include "autograd/ops/embedding.h"

#include "autograd/in_place.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/indexing.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/sort.h"
#include "autograd/ops/statistics.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/gather.h"

namespace tessera {
namespace {

// Rows of a table of `rows`; the one numbered `padding` (-1: none) gets no gradient.
struct Lookup {
  int64_t rows;
  int64_t padding;
  bool by_frequency = false;  // whether gradients are divided by how often a row is looked up
};

// dy (K, D) with each row divided by how often its index is in `at`.
Tensor over_counts(const Tensor& dy, const Array& at) {
  Array counts = bincount(at).data();
  Array each = index_select(counts, 0, at).data().to(dy.dtype()).view({at.numel(), 1});
  return dy / Tensor(each);
}

Tensor add_rows(const Tensor& dy, const Array& at, const Lookup& lookup);

// (N, D) by (K,) -> (K, D). Taking rows and adding them up are each other's gradient.
Tensor take_rows(const Tensor& table, const Array& at, const Lookup& lookup) {
  Array out = Array::empty({at.numel(), table.size(1)}, table.dtype(), table.device());
  kernels(table.device()).gather().rows(table.data().contiguous(), at, out);
  return record("embedding", out, {table},
                [saved = SavedArray(at), lookup](const Tensor& dy, const Node& node) {
                  Array at = saved.get(node.op());
                  if (!lookup.by_frequency || at.numel() == 0)
                    return Grads{add_rows(dy, at, lookup)};
                  return Grads{add_rows(over_counts(dy, at), at, lookup)};
                });
}

Tensor without_padding(const Tensor& table, const Lookup& lookup) {
  if (lookup.padding < 0) return table;
  Array padding = Array::zeros({lookup.rows, 1}, DType::boolean, table.device());
  padding.select(0, lookup.padding).fill_(1);
  return masked_fill(table, padding, 0);
}

Tensor add_rows(const Tensor& dy, const Array& at, const Lookup& lookup) {
  // 16-bit floats are summed in f32 and rounded once.
  DType sums = item_size(dy.dtype()) == 2 ? DType::f32 : dy.dtype();
  Array table = Array::zeros({lookup.rows, dy.size(1)}, sums, dy.device());
  kernels(dy.device()).gather().scatter_add_rows(dy.data().to(sums).contiguous(), at, table);
  if (lookup.padding >= 0) table.select(0, lookup.padding).fill_(0);
  return record("embedding_grad", table.to(dy.dtype()), {dy},
                [saved = SavedArray(at), lookup](const Tensor& g, const Node& node) {
                  Tensor table = without_padding(g, lookup);
                  return Grads{take_rows(table, saved.get(node.op()), {lookup.rows, -1})};
                });
}

// Scales the rows at `at` whose norm is above max_norm down to it.
void renormalize(const Tensor& table, const Array& at, double max_norm, double norm_type) {
  TESSERA_CHECK(is_floating(table.dtype()),
                "[embedding] expected a table of a floating dtype with max_norm, got {}",
                table.dtype());
  TESSERA_CHECK(max_norm >= 0, "[embedding] expected a max_norm of at least 0, got {}", max_norm);
  if (at.numel() == 0) return;
  const NoGrad no_grad;
  Tensor distinct = unique(at).values;
  auto lowest = select(distinct, 0, 0).item<int64_t>();
  auto highest = select(distinct, 0, -1).item<int64_t>();
  TESSERA_CHECK(lowest >= 0 && highest < table.size(0),
                "[embedding] expected indices in [0, {}), got {}", table.size(0),
                lowest < 0 ? lowest : highest);
  Tensor rows = index_select(table.detach(), 0, distinct);
  DType compute = table.dtype() == DType::f64 ? DType::f64 : DType::f32;
  Tensor norms = norm(to(rows, compute), norm_type, {1}, true);
  // As PyTorch, which keeps off a division by zero.
  Tensor scaled = to(to(rows, compute) * (max_norm / (norms + 1e-7)), table.dtype());
  Tensor larger = reshape(gt(norms, max_norm), {-1});
  Tensor chosen = reshape(nonzero(larger), {-1});
  if (chosen.numel() == 0) return;
  index_put_(table, {index_select(distinct, 0, chosen)}, index_select(scaled, 0, chosen));
}

}  // namespace

Tensor embedding(TensorArg table, TensorArg index, std::optional<int64_t> padding_idx,
                 std::optional<double> max_norm, double norm_type, bool scale_grad_by_freq) {
  const Composed scope;
  TESSERA_CHECK(table.dim() == 2, "[embedding] expected a table of two dims, got {}",
                table.shape());
  TESSERA_CHECK(index.dtype() == DType::i64 || index.dtype() == DType::i32,
                "[embedding] expected an index of i64 or i32, got {}", index.dtype());
  TESSERA_CHECK(index.device() == table.device(),
                "[embedding] expected an index on {}, got one on {}", table.device(),
                index.device());
  Lookup lookup{table.size(0), -1, scale_grad_by_freq};
  if (padding_idx) {
    TESSERA_CHECK(*padding_idx >= -lookup.rows && *padding_idx < lookup.rows,
                  "[embedding] expected a padding_idx in [{}, {}), got {}", -lookup.rows,
                  lookup.rows, *padding_idx);
    lookup.padding = *padding_idx < 0 ? *padding_idx + lookup.rows : *padding_idx;
  }
  Array at = index.data().to(DType::i64).contiguous().view({index.numel()});
  if (max_norm) renormalize(table, at, *max_norm, norm_type);
  Dims shape = index.shape();
  shape.push_back(table.size(1));
  return reshape(take_rows(table, at, lookup), shape);
}

}  // namespace tessera
