// Elementwise functions of two arrays. core/kernels.h has the rules for every family.
#pragma once

#include "core/kernels/elementwise.h"

namespace tessera {

class Array;

class BinaryFamily {
 public:
  virtual ~BinaryFamily() = default;
  // out = op(a, b); a and b expanded to out's shape (stride 0), any dtypes; out may be a or b
  // itself. Computed in out's dtype, or in promote_types of a's and b's where the result is bool;
  // otherwise as unary. Integers: division by zero is an error, and so is a negative power.
  virtual void run(BinaryOp op, const Array& a, const Array& b, const Array& out) const = 0;
  // out = scale * a + shift in out's dtype, a floating one.
  virtual void affine(const Array& a, double scale, double shift, const Array& out) const = 0;
};

}  // namespace tessera
