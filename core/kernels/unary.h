// Elementwise functions of one array. core/kernels.h has the rules for every family.
#pragma once

#include "core/kernels/elementwise.h"

namespace tessera {

class Array;

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

}  // namespace tessera
