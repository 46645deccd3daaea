// Elements joined into a tensor's own by index.
#pragma once

#include "autograd/tensor_arg.h"

namespace tessera {

enum class ScatterReduce { sum, prod, mean, amax, amin };

// x with source[i, j, k] joined to x[i, index[i, j, k], k], here for dim 1 of 3; shapes and errors
// are those of scatter. Without include_self, elements that anything arrives at do not count
// themselves. Means of integers are rounded down; mean takes no bool. Gradients: of amax and amin,
// shared evenly by the equal; of prod, right for zeros as well, but where two zeros meet it cannot
// be differentiated in its turn.
Tensor scatter_reduce(TensorArg x, int64_t dim, TensorArg index, TensorArg source,
                      ScatterReduce reduce, bool include_self = true);
const Tensor& scatter_reduce_(SelfArg self, int64_t dim, TensorArg index, TensorArg source,
                              ScatterReduce reduce, bool include_self = true);

}  // namespace tessera
