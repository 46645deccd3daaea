// Elements of arrays by index, with the checks that the kernels leave to their callers. Named and
// defined as PyTorch's functions. Indices are i64 or i32, and negative ones count from the end.
// Errors begin with the function's name in brackets; an index outside is one that names it, its
// position and the bound. Functions that change an array end in an underscore.
#pragma once

#include <vector>

#include "core/array.h"
#include "core/kernels/index.h"

namespace tessera::arrays {

// out[i, j, k] = x[i, index[i, j, k], k] for dim 1 of 3. index has x's number of dims, and sizes
// of at most x's except in dim.
Array gather(const Array& x, int64_t dim, const Array& index, const char* op = "gather");
// The same for an index that broadcasts with x in all dims but dim.
Array take_along_dim(const Array& x, const Array& index, int64_t dim);
// x[i, index[i, j, k], k] <- source[i, j, k], in the order of index. index's sizes are at most
// source's, and x's but in dim; source of x's dtype.
void scatter_(const Array& x, int64_t dim, const Array& index, const Array& source,
              ScatterOp how = ScatterOp::assign, const char* op = "scatter");

// The slices of x at index, of one dim or none, along dim.
Array index_select(const Array& x, int64_t dim, const Array& index);
// Adds slice i of source to slice index[i] of x along dim, in the order of index.
void index_add_(const Array& x, int64_t dim, const Array& index, const Array& source);

// out[b..., rest...] = x[indices[0][b...], indices[1][b...], ..., rest...]; the indices broadcast,
// and there are at least one and at most x.dim().
Array take(const Array& x, const std::vector<Array>& indices, const char* op = "index");
// x[indices[0][b...], ..., rest...] <- values, which broadcast to (b..., rest...).
void put_(const Array& x, const std::vector<Array>& indices, const Array& values,
          ScatterOp how = ScatterOp::assign, const char* op = "index_put");

// The indices of elements that are not zero, in row-major order: i64 of (count, x.dim()).
Array nonzero(const Array& x);
// The elements where mask (bool) is true, in row-major order; both broadcast. (count,)
Array masked_select(const Array& x, const Array& mask);

// The index as i64; an error naming op when it is neither i64 nor i32.
Array wide_index(const Array& index, const char* op);

}  // namespace tessera::arrays
