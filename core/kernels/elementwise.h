// Elementwise functions of one, two and three arrays. core/kernels.h has the rules for every
// family.
#pragma once

#include <array>

#include "core/array.h"
#include "core/formulas.h"

namespace tessera {

// Numbers that some functions take; core/formulas says beside their names what they are.
using ElementwiseParams = std::array<double, 3>;

class UnaryFamily {
 public:
  virtual ~UnaryFamily() = default;
  // out = op(x); equal shapes, any strides and dtypes; out may be x itself. Computed in out's
  // dtype (in x's where the result is bool), the 16-bit ones in f32 and rounded once, integers in
  // 64 bits with wrap-around. An integer dtype is an error for functions of real numbers.
  void run(UnaryOp op, const Array& x, const Array& out) const { run(op, x, out, {}); }
  virtual void run(UnaryOp op, const Array& x, const Array& out,
                   const ElementwiseParams& params) const = 0;
};

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

class WhereFamily {
 public:
  virtual ~WhereFamily() = default;
  // out = condition ? a : b; condition (bool), a and b expanded to out's shape, a and b of any
  // dtypes, converted to out's; out may be a or b itself.
  virtual void run(const Array& condition, const Array& a, const Array& b,
                   const Array& out) const = 0;
};

}  // namespace tessera
