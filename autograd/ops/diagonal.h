// Diagonals and triangles, and tensors with a part replaced: copies all.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// Of a vector, the matrix with it on the diagonal and zeros elsewhere; of a matrix, its diagonal. A
// positive `diagonal` lies above the main one.
Tensor diag(TensorArg x, int64_t diagonal = 0);
// The last dim of x as diagonals of two new dims, zeros elsewhere: diagonal() undoes it.
Tensor diag_embed(TensorArg x, int64_t offset = 0, int64_t dim1 = -2, int64_t dim2 = -1);
// The rows and columns of the elements on and below (above) the diagonal of a (rows, cols) matrix,
// row by row: (2, count), i64 or i32.
Tensor tril_indices(int64_t rows, int64_t cols, int64_t offset = 0, DType dtype = DType::i64);
Tensor triu_indices(int64_t rows, int64_t cols, int64_t offset = 0, DType dtype = DType::i64);

// x with source, converted to x's dtype, in the place of select(x, dim, index), of slice(x, dim,
// start, end, step) and of diagonal(x, offset, dim1, dim2), whose shapes it has.
Tensor select_scatter(TensorArg x, TensorArg source, int64_t dim, int64_t index);
Tensor slice_scatter(TensorArg x, TensorArg source, int64_t dim = 0,
                     std::optional<int64_t> start = {}, std::optional<int64_t> end = {},
                     int64_t step = 1);
Tensor diagonal_scatter(TensorArg x, TensorArg source, int64_t offset = 0, int64_t dim1 = 0,
                        int64_t dim2 = 1);

}  // namespace tessera
