// Rows of a table.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// out[..., :] = table[index[...], :]: table (N, D), index i64 or i32 of any shape -> (index shape,
// D). An index outside the table is an error. The row padding_idx, counted from the end when
// negative, gets no gradient. With max_norm, the rows that are looked up and whose norm (of
// norm_type) is larger are first scaled to it, in the table itself, without a gradient.
// scale_grad_by_freq divides each row's gradient by how often index has it.
Tensor embedding(TensorArg table, TensorArg index,
                 std::optional<int64_t> padding_idx = std::nullopt,
                 std::optional<double> max_norm = std::nullopt, double norm_type = 2,
                 bool scale_grad_by_freq = false);

}  // namespace tessera
