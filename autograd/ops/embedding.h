// Rows of a table.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

// out[..., :] = table[index[...], :]: table (N, D), index i64 of any shape -> (index shape, D).
// An index outside the table is an error.
Tensor embedding(TensorArg table, TensorArg index);

}  // namespace tessera
