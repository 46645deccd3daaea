// The smallest and largest elements, and where they are. A NaN is the result where there is one.
// Without dims, over all elements; keepdim leaves the dims as sizes of 1. Errors: dims that hold no
// element; a dim outside of [-rank, rank), or named twice.
#pragma once

#include <optional>

#include "autograd/ops/dims_arg.h"
#include "autograd/tensor_arg.h"

namespace tessera {

// Elements of a tensor, and their indices (i64) along the dim in question. The gradient of values
// goes to just these elements.
struct ValuesIndices {
  Tensor values;
  Tensor indices;
};

// Equal elements share the gradient evenly.
Tensor amin(TensorArg x, const DimsArg& dims = {}, bool keepdim = false);
Tensor amax(TensorArg x, const DimsArg& dims = {}, bool keepdim = false);
struct MinMax {
  Tensor min;
  Tensor max;
};
MinMax aminmax(TensorArg x, const DimsArg& dims = {}, bool keepdim = false);
Tensor min(TensorArg x);
Tensor max(TensorArg x);

// Along one dim. Of equal elements, the first.
ValuesIndices min(TensorArg x, int64_t dim, bool keepdim = false);
ValuesIndices max(TensorArg x, int64_t dim, bool keepdim = false);
// The indices alone; without a dim, those into the flattened tensor.
Tensor argmin(TensorArg x, std::optional<int64_t> dim = {}, bool keepdim = false);
Tensor argmax(TensorArg x, std::optional<int64_t> dim = {}, bool keepdim = false);

}  // namespace tessera
