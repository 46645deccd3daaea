// Rows of a table.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// out[..., :] = table[index[...], :]: table (N, D), index i64 or i32 of any shape -> (index shape,
// D). An index outside the table is an error. The row padding_idx, counted from the end when
// negative, gets no gradient.
Tensor embedding(TensorArg table, TensorArg index,
                 std::optional<int64_t> padding_idx = std::nullopt);

}  // namespace tessera
