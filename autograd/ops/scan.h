// Scans along a dim: each result is made of the elements up to and with its own. The shape is x's.
// Errors: a dim outside of [-rank, rank).
#pragma once

#include <optional>

#include "autograd/ops/extremes.h"
#include "autograd/tensor_arg.h"

namespace tessera {

// x is converted to dtype first; without one, integers and bool give i64.
Tensor cumsum(TensorArg x, int64_t dim, std::optional<DType> dtype = {});
Tensor cumprod(TensorArg x, int64_t dim, std::optional<DType> dtype = {});
// The largest or smallest so far, and where it was last; NaN beats all.
ValuesIndices cummax(TensorArg x, int64_t dim);
ValuesIndices cummin(TensorArg x, int64_t dim);
// log(sum of exp), without overflow; of a floating dtype.
Tensor logcumsumexp(TensorArg x, int64_t dim);

// y[k] = a[k] y[k - 1] + b[k] along dim, beginning with y[0] = b[0]; or if reverse
// y[k] = a[k] y[k + 1] + b[k], beginning at the end. a and b: one shape, one floating dtype.
Tensor linear_recurrence(TensorArg a, TensorArg b, int64_t dim, bool reverse = false);

// Of x (outer, n, inner): y[:, k, :] is the product of all x[:, i, :] but that of i = k.
Tensor product_of_others(TensorArg x);

}  // namespace tessera
