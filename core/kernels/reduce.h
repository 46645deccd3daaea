// Sums along rows and columns. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

class ReduceFamily {
 public:
  virtual ~ReduceFamily() = default;
  // x is (rows, cols): an array of any dims and strides whose elements have that order, row by row.
  // out[i] = sum over j of x[i, j]: out is (rows,).
  virtual void sum_rows(const Array& x, const Array& out) const = 0;
  // out[j] = sum over i of x[i, j]: out is (cols,).
  virtual void sum_columns(const Array& x, const Array& out) const = 0;
  // out[c] = sum of squares, in f64, of chunk c of 256 elements of x, a flat f32 or f64 array;
  // the last chunk may be short.
  virtual void chunk_square_sums(const Array& x, const Array& out) const = 0;
  // out, 0-d, = the sum of x, (n,) row-major, as the leaves of one tree (core/tree.h): the same
  // bits on every device. Both are f64.
  virtual void tree_sum(const Array& x, const Array& out) const = 0;
};

}  // namespace tessera
