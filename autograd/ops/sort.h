// Sorting, selecting and searching along a dim. A NaN is larger than every number; of equal
// elements the one with the lower index comes first, in either direction, so every order is the
// only one possible. Errors: a dim outside of [-rank, rank).
#pragma once

#include <optional>
#include <vector>

#include "autograd/ops/extremes.h"
#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

ValuesIndices sort(TensorArg x, int64_t dim = -1, bool descending = false);
Tensor argsort(TensorArg x, int64_t dim = -1, bool descending = false);
// Along the first dim.
Tensor msort(TensorArg x);
// The k largest or smallest, in that order. An error unless 0 <= k <= the dim's size.
ValuesIndices topk(TensorArg x, int64_t k, int64_t dim = -1, bool largest = true);

// One element of each line, which must not be empty; keepdim leaves the dim as a size of 1.
// The k-th smallest, counted from 1.
ValuesIndices kthvalue(TensorArg x, int64_t k, int64_t dim = -1, bool keepdim = false);
// The lower one of two in the middle; the first NaN where there is one.
ValuesIndices median(TensorArg x, int64_t dim, bool keepdim = false);
// The median of those that are not NaN; NaN where all are.
ValuesIndices nanmedian(TensorArg x, int64_t dim, bool keepdim = false);
// The most frequent, the smallest of several; and where it is last.
ValuesIndices mode(TensorArg x, int64_t dim = -1, bool keepdim = false);
// Of all elements; NaN for none (an error for integers). Equal elements share the gradient evenly.
Tensor median(TensorArg x);
Tensor nanmedian(TensorArg x);

enum class QuantileMethod { linear, lower, higher, nearest, midpoint };
// The element at place q (n - 1) of n sorted ones, or between two of them as the method says; NaN
// where there is one. x of f32 or f64, not empty, q in [0, 1]; without a dim, of all elements.
Tensor quantile(TensorArg x, double q, std::optional<int64_t> dim = {}, bool keepdim = false,
                QuantileMethod method = QuantileMethod::linear);
// For several q: one after another along a new first dim.
Tensor quantile(TensorArg x, const std::vector<double>& q, std::optional<int64_t> dim = {},
                bool keepdim = false, QuantileMethod method = QuantileMethod::linear);

// From here on constants: these have no gradient.
// Where each of values (..., m) goes in the ascending row of sorted (..., n) that keeps it sorted:
// before equal elements, or behind them if `right`. Two dtypes are compared in the one that both
// promote to. i64, or i32 if out_int32, of values' shape; the leading dims broadcast, and a single
// row serves values of any shape, or one number. With a sorter, i64 of sorted's shape, its order is
// that of sorted's elements; an index in it outside of [0, n) is an error.
Tensor searchsorted(TensorArg sorted, TensorArg values, bool right = false, bool out_int32 = false,
                    TensorArg sorter = {});
Tensor searchsorted(TensorArg sorted, Scalar value, bool right = false, bool out_int32 = false,
                    TensorArg sorter = {});
struct Unique {
  Tensor values;   // (count,), ascending
  Tensor inverse;  // of x's shape: values[inverse] is x
  Tensor counts;   // (count,): how often each is in x
};
// The distinct elements. No NaN equals another. With a dim, the distinct slices of x along it, in
// the order of their first differing elements: values has x's shape but for dim, and inverse is
// (x.size(dim),).
Unique unique(TensorArg x, std::optional<int64_t> dim = {});
// out[v] = how often v is in x, or the sum of its weights: (max(minlength, largest + 1),). x is
// (n,), integers of at least 0; weights (n,) give f32 if they are f32, else f64; counts are i64.
Tensor bincount(TensorArg x, TensorArg weights = {}, int64_t minlength = 0);

}  // namespace tessera
