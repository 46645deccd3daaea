// Bags of rows of a table, each joined into one row.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

enum class BagMode { sum, mean, max };

struct EmbeddingBagOptions {
  BagMode mode = BagMode::mean;
  Tensor per_sample_weights = {};  // what each row is multiplied by: of index's shape, for sums
  // A row that does not count, in means neither; from the end when negative.
  std::optional<int64_t> padding_idx = std::nullopt;
  std::optional<double> max_norm = std::nullopt;  // these three as embedding's
  double norm_type = 2;
  bool scale_grad_by_freq = false;
  bool include_last_offset = false;  // offsets end with the size of index
};

// Of table[index[b, :], :] for each b: table (N, D), floating, index i64 or i32 (B, L) -> (B, D).
// Of several largest elements the first has the gradient; a bag without rows is zeros.
Tensor embedding_bag(TensorArg table, TensorArg index, const EmbeddingBagOptions& options = {});
// The same for bags of any sizes: index (K,), of which bag b begins at offsets[b], (B,) of i64 or
// i32, from 0 on and never falling.
Tensor embedding_bag(TensorArg table, TensorArg index, TensorArg offsets,
                     const EmbeddingBagOptions& options = {});

}  // namespace tessera
