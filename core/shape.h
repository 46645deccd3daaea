// More views of an Array than its members give, and copies that only move elements. Named and
// defined as PyTorch's functions; dims count from the end when negative. Errors begin with the
// function's name in brackets.
#pragma once

#include <initializer_list>
#include <vector>

#include "core/array.h"
#include "core/scalar.h"

namespace tessera::arrays {

// Views: none of these copies.
// Moves dims `from` to places `to`; the others keep their order.
Array moveaxis(const Array& x, const Dims& from, const Dims& to);
// The order of dims that moveaxis permutes to.
Dims moveaxis_order(size_t rank, const Dims& from, const Dims& to);
// Splits one dim into several; one of the sizes may be -1.
Array unflatten(const Array& x, int64_t dim, const Dims& sizes);
// Elements start to start + length of one dim. 0 <= length, and start + length within the dim;
// a negative start counts from the end.
Array narrow(const Array& x, int64_t dim, int64_t start, int64_t length);
// Pieces of `size` along dim, the last one smaller where it does not divide; at least one piece.
std::vector<Array> split(const Array& x, int64_t size, int64_t dim = 0);
// Pieces of these sizes, which add up to the dim's.
std::vector<Array> split(const Array& x, const Dims& sizes, int64_t dim = 0);
// For split(x, {2}): without this one {2} would be a number before it is a list.
inline std::vector<Array> split(const Array& x, std::initializer_list<int64_t> sizes,
                                int64_t dim = 0) {
  return split(x, Dims(sizes), dim);
}
// At most `count` pieces of one size, the last one smaller.
std::vector<Array> chunk(const Array& x, int64_t count, int64_t dim = 0);
// The size of chunk's pieces.
int64_t chunk_size(int64_t size, int64_t count);
// x without dim, once for every index in it.
std::vector<Array> unbind(const Array& x, int64_t dim = 0);
// out[..., i] = x[i, i + offset] in the two dims (offset < 0: below), which move to one last dim.
Array diagonal(const Array& x, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
// All windows of `size` along dim, `step` apart: (..., windows, ..., size).
Array unfold(const Array& x, int64_t dim, int64_t size, int64_t step);
// Any strides and offset of x's storage, in elements; an error where one is negative or an element
// would lie outside the storage.
Array as_strided(const Array& x, const Dims& shape, const Dims& strides, int64_t offset);
// Without the dims of size 1; or without those of them that are listed.
Array squeeze(const Array& x);
Array squeeze(const Array& x, const Dims& dims);
// A dimension's list normalized: each in [0, rank), none twice.
Dims normalize_dims(const Dims& dims, size_t rank, std::string_view op);

// A view where the strides allow it, else a copy: dims start to end (included) as one; of a
// zero-dimensional array, one dim of size 1.
Array flatten(const Array& x, int64_t start = 0, int64_t end = -1);
Dims flatten_shape(const Dims& shape, int64_t start, int64_t end);

// Copies.
// The order of elements reversed along each of the dims.
Array flip(const Array& x, const Dims& dims);
// Elements moved by shifts[i] along dims[i], those that leave at the end come in at the beginning.
// Without dims, along the flattened array.
Array roll(const Array& x, const Dims& shifts, const Dims& dims = {});
// x repeats[i] times along dim i; repeats may have more dims than x, in front.
Array repeat(const Array& x, const Dims& repeats);
// The same, and repeats may have fewer dims, too: the missing ones in front are 1.
Array tile(const Array& x, const Dims& repeats);
// Arrays of one dtype and, but for dim, one shape after each other. As in PyTorch an array of shape
// (0,) is ignored. An empty list is an error.
Array cat(const std::vector<Array>& xs, int64_t dim = 0);
// Arrays of one dtype and shape side by side along a new dim.
Array stack(const std::vector<Array>& xs, int64_t dim = 0);
// The lower or upper triangle of the last two dims, zero elsewhere; `diagonal` moves the border up.
Array tril(const Array& x, int64_t diagonal = 0);
Array triu(const Array& x, int64_t diagonal = 0);

enum class PadMode { constant, reflect, replicate, circular };
// padding is (before, after) of the last dim, then of the one before it, and so on. A negative one
// cuts. reflect needs less than the dim's size, circular at most what cutting left of it, replicate
// a dim that is not empty; reflect and replicate leave at least one element. For constant, x's
// dtype must hold value.
Array pad(const Array& x, const Dims& padding, PadMode mode = PadMode::constant, Scalar value = 0);
// For the modes other than constant: where the elements of the padded dim come from, i64.
Array pad_index(int64_t size, int64_t before, int64_t after, PadMode mode);

}  // namespace tessera::arrays
