// Tensors side by side, cut apart, repeated and turned: copies, except where a line says view.
#pragma once

#include <initializer_list>
#include <optional>
#include <vector>

#include "autograd/tensor_arg.h"

namespace tessera {

// The same elements in memory of their own; the gradient passes.
Tensor clone(TensorArg x);

// Tensors after each other, their dtypes promoted: along dim 1 (vectors along dim 0, numbers as
// vectors of one), along dim 0 (vectors as rows), along dim 2 (vectors and matrices get dims of
// size 1: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1)), and vectors as columns.
Tensor hstack(const std::vector<Tensor>& xs, CallSite site = {});
Tensor vstack(const std::vector<Tensor>& xs, CallSite site = {});
Tensor dstack(const std::vector<Tensor>& xs, CallSite site = {});
Tensor column_stack(const std::vector<Tensor>& xs, CallSite site = {});

// Views: `sections` pieces, the first ones larger by one where the size does not divide; or those
// between the indices, each as slice takes bounds: [0, i), [i, j), ..., [k, end). Of a tensor
// (i64), 0-d for sections and of one dim for indices.
std::vector<Tensor> tensor_split(TensorArg x, int64_t sections, int64_t dim = 0);
std::vector<Tensor> tensor_split(TensorArg x, const Dims& indices, int64_t dim = 0);
std::vector<Tensor> tensor_split(TensorArg x, TensorArg sections_or_indices, int64_t dim = 0);
// For tensor_split(x, {2}): without this one {2} would be a number before it is a list.
inline std::vector<Tensor> tensor_split(TensorArg x, std::initializer_list<int64_t> indices,
                                        int64_t dim = 0) {
  return tensor_split(x, Dims(indices), dim);
}

// Views of the tensors, expanded to their common shape.
std::vector<Tensor> broadcast_tensors(const std::vector<Tensor>& xs, CallSite site = {});
// Views of vectors (numbers count as vectors of one) of one dtype, each expanded along the dims of
// the others: for xs of (m,) and (n,) tensors of (m, n), or with Cartesian indexing (xy) of (n, m).
enum class MeshIndexing { ij, xy };
std::vector<Tensor> meshgrid(const std::vector<Tensor>& xs,
                             MeshIndexing indexing = MeshIndexing::ij, CallSite site = {});

// Each element `repeats` times in a row along dim; without dim, of x flattened.
Tensor repeat_interleave(TensorArg x, int64_t repeats, std::optional<int64_t> dim = {},
                         std::optional<int64_t> output_size = {});
// Element i repeats[i] times. repeats (i64 or i32, none negative) is 0-d or of one dim, of size 1
// or that of dim. output_size, if given, is their sum.
Tensor repeat_interleave(TensorArg x, TensorArg repeats, std::optional<int64_t> dim = {},
                         std::optional<int64_t> output_size = {});
// Index i repeats[i] times: of repeats' dtype.
Tensor repeat_interleave(TensorArg repeats);

// Turned by 90 degrees k times, from the first of the two dims towards the second.
Tensor rot90(TensorArg x, int64_t k = 1, const Dims& dims = {0, 1});
// x[i + 1] - x[i] along dim (for bool: whether they differ), n times; prepend and append are joined
// to x first.
Tensor diff(TensorArg x, int64_t n = 1, int64_t dim = -1, TensorArg prepend = {},
            TensorArg append = {});

}  // namespace tessera
