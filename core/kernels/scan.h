// Scans along the middle of three dims. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

// x and out are (outer, n, inner), row-major. Each of the outer x inner lines is walked in order,
// or from its end if `reverse`. What runs along a line of floats is kept in f64, each result
// rounded once.
class ScanFamily {
 public:
  virtual ~ScanFamily() = default;
  // Sums and products up to and with each element. out: x's dtype, i64 for integers and bool.
  virtual void cumsum(const Array& x, bool reverse, const Array& out) const = 0;
  virtual void cumprod(const Array& x, bool reverse, const Array& out) const = 0;
  // The largest or smallest so far, and where (i64) it was last; NaN beats all. values: x's dtype.
  virtual void cumextreme(bool largest, const Array& x, const Array& values,
                          const Array& indices) const = 0;
  // log(sum of exp) up to and with each element; floating. rest, undefined where it is not wanted,
  // is what rounding took from out: f64, like out otherwise.
  virtual void logcumsumexp(const Array& x, const Array& out, const Array& rest) const = 0;
  // out[k] = a[k] out[k - 1] + b[k], and out[0] = b[0] whatever a[0] is. One floating dtype.
  virtual void recurrence(const Array& a, const Array& b, bool reverse, const Array& out) const = 0;
};

}  // namespace tessera
