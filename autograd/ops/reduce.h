// Sums, products and truths over dims. Without dims, over all elements; keepdim leaves the dims as
// sizes of 1. An empty tensor gives the neutral element (mean: NaN). Errors: a dim outside of
// [-rank, rank), or named twice.
#pragma once

#include <optional>

#include "autograd/ops/dims_arg.h"
#include "autograd/tensor_arg.h"

namespace tessera {

// x is converted to dtype first; without one, integers and bool are summed in i64 (as are their
// products). 16-bit floats are added in f32 and rounded once.
Tensor sum(TensorArg x, const DimsArg& dims = {}, bool keepdim = false,
           std::optional<DType> dtype = {});
// NaN counts as 0.
Tensor nansum(TensorArg x, const DimsArg& dims = {}, bool keepdim = false,
              std::optional<DType> dtype = {});
// The dtype, x's or the one given, must be floating.
Tensor mean(TensorArg x, const DimsArg& dims = {}, bool keepdim = false,
            std::optional<DType> dtype = {});
// The mean of those that are not NaN; NaN where all are. x and the dtype are floating.
Tensor nanmean(TensorArg x, const DimsArg& dims = {}, bool keepdim = false,
               std::optional<DType> dtype = {});
Tensor prod(TensorArg x, const DimsArg& dims = {}, bool keepdim = false,
            std::optional<DType> dtype = {});

// Whether all elements, or any, are not zero (a NaN is not): bool, or u8 for an x of u8.
Tensor all(TensorArg x, const DimsArg& dims = {}, bool keepdim = false);
Tensor any(TensorArg x, const DimsArg& dims = {}, bool keepdim = false);
// How many elements are not zero: i64.
Tensor count_nonzero(TensorArg x, const DimsArg& dims = {}, bool keepdim = false);

// Undoes a broadcast: the sum over the dims in which x was grown from `shape`.
Tensor sum_to(TensorArg x, const Dims& shape);

}  // namespace tessera
