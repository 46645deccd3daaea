#include "autograd/ops/embedding.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

// Rows of a table of `rows`; the one numbered `padding` (-1: none) gets no gradient.
struct Lookup {
  int64_t rows;
  int64_t padding;
};

Tensor add_rows(const Tensor& dy, const Array& at, const Lookup& lookup);

// (N, D) by (K,) -> (K, D). Taking rows and adding them up are each other's gradient.
Tensor take_rows(const Tensor& table, const Array& at, const Lookup& lookup) {
  Array out = Array::empty({at.numel(), table.size(1)}, table.dtype(), table.device());
  kernels(table.device()).gather().rows(table.data().contiguous(), at, out);
  return record("embedding", out, {table},
                [saved = SavedArray(at), lookup](const Tensor& dy, const Node& node) {
                  return Grads{add_rows(dy, saved.get(node.op()), lookup)};
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

}  // namespace

Tensor embedding(TensorArg table, TensorArg index, std::optional<int64_t> padding_idx) {
  const Composed scope;
  TESSERA_CHECK(table.dim() == 2, "[embedding] expected a table of two dims, got {}",
                table.shape());
  TESSERA_CHECK(index.dtype() == DType::i64 || index.dtype() == DType::i32,
                "[embedding] expected an index of i64 or i32, got {}", index.dtype());
  Lookup lookup{table.size(0), -1};
  if (padding_idx) {
    TESSERA_CHECK(*padding_idx >= -lookup.rows && *padding_idx < lookup.rows,
                  "[embedding] expected a padding_idx in [{}, {}), got {}", -lookup.rows,
                  lookup.rows, *padding_idx);
    lookup.padding = *padding_idx < 0 ? *padding_idx + lookup.rows : *padding_idx;
  }
  Array at = index.data().to(DType::i64).contiguous().view({index.numel()});
  Dims shape = index.shape();
  shape.push_back(table.size(1));
  return reshape(take_rows(table, at, lookup), shape);
}

}  // namespace tessera
