// Elements by index. core/kernels.h has the rules for every family.
#pragma once

#include <span>

namespace tessera {

class Array;

// What happens to an element of the target when a value arrives.
enum class ScatterOp { assign, add, multiply, minimum, maximum };

// Indices are i64, of any strides; a negative one counts from the end. One outside [-n, n) is an
// Error that names `op`, the index, its position and n, thrown before anything is written. Values
// that meet at one element arrive in the row-major order of the index, whatever the number of
// threads: the last assigned stays, and sums have one order. Any dtype; 16-bit floats are combined
// in f32 and rounded once.
class IndexFamily {
 public:
  virtual ~IndexFamily() = default;

  // out[i, j, k] = source[i, index[i, j, k], k], here for dim 1 of 3. index and out have one shape,
  // whose sizes other than that of dim are at most source's. source and out: one dtype.
  virtual void gather(const char* op, const Array& source, size_t dim, const Array& index,
                      const Array& out) const = 0;
  // target[i, index[i, j, k], k] <- source[i, j, k]. index's sizes are at most source's, and except
  // in dim at most target's. source and target: one dtype.
  virtual void scatter(const char* op, ScatterOp how, const Array& source, size_t dim,
                       const Array& index, const Array& target) const = 0;

  // out[b..., rest...] = source[indices[0][b...], indices[1][b...], ..., rest...]: the indices have
  // one shape (b...) and stand for the first dims of source. source and out: one dtype.
  virtual void take(const char* op, const Array& source, std::span<const Array> indices,
                    const Array& out) const = 0;
  // target[indices[0][b...], indices[1][b...], ..., rest...] <- values[b..., rest...].
  virtual void put(const char* op, ScatterOp how, const Array& values,
                   std::span<const Array> indices, const Array& target) const = 0;

  // The indices of elements that are not zero, in row-major order; a NaN is not. out is i64 of
  // (their number, x.dim()), row-major.
  virtual void nonzero(const Array& x, const Array& out) const = 0;
  // The elements of x where mask (bool, x's shape) is true, in row-major order: out (count,),
  // row-major. x and out: one dtype.
  virtual void masked_select(const Array& x, const Array& mask, const Array& out) const = 0;
};

}  // namespace tessera
