// Reductions of any kind over the middle of three dims. core/kernels.h has the rules for every
// family.
#pragma once

namespace tessera {

class Array;

enum class FoldOp {
  sum,            // integers and bool give i64
  nansum,         // NaN counts as 0
  prod,           // integers and bool give i64
  min,            // a NaN is the result
  max,            // a NaN is the result
  any,            // bool
  all,            // bool
  count_nonzero,  // i64; a NaN is not zero
};

// x is (outer, n, inner) of any dtype unless a line says otherwise: an array of any dims and
// strides whose elements have that order, row by row. It is not copied as a whole where it is on
// the CPU. out is (outer, inner) or (outer, 1, inner), row-major, and tells outer and inner. 16-bit
// floats are computed in f32 and rounded once, at the end. The middle dim is cut into blocks by
// shape alone, and the blocks are folded in order.
class FoldFamily {
 public:
  virtual ~FoldFamily() = default;
  // out has x's dtype where FoldOp says nothing else. n may be 0 except for min and max.
  virtual void run(FoldOp op, const Array& x, const Array& out) const = 0;
  // The first index (i64) of the largest or smallest element, and that element (x's dtype); NaN
  // comes before all. n is at least 1.
  virtual void arg(bool largest, const Array& x, const Array& values,
                   const Array& indices) const = 0;
  // (sum of |x|^p)^(1/p); for p = 0 the number of nonzeros, for +-infinity the largest or smallest
  // |x|. No power on the way overflows or vanishes. x and out: one floating dtype.
  virtual void norm(double p, const Array& x, const Array& out) const = 0;
  // The sum of (x - mean)^2 / divisor, or its square root. What the mean's rounding left is taken
  // into account where that matters (core/kernels.h), and no square on the way overflows or
  // vanishes. x and out: one floating dtype.
  virtual void variance(const Array& x, double divisor, bool root, const Array& out) const = 0;
  // log(sum of exp(x)), without overflow. x, out and rest: one floating dtype. rest, undefined
  // where it is not wanted, is what rounding took from out where that matters (core/kernels.h);
  // like out.
  virtual void log_sum_exp(const Array& x, const Array& out, const Array& rest) const = 0;
};

}  // namespace tessera
