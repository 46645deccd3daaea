// Elementwise functions of one and two arrays. core/kernels.h has the rules for every family.
#pragma once

#include "core/array.h"

namespace tessera {

enum class UnaryOp {
  neg,
  abs,
  sign,
  square,
  sqrt,
  exp,
  log,
  tanh,
  sigmoid,
  relu,
  gelu,
  reciprocal,
};
enum class BinaryOp {
  add,
  sub,
  mul,
  div,
  maximum,
  minimum,
  relu_grad,     // (x, dy) -> dx
  gelu_grad,     // (x, dy) -> dx
  tanh_grad,     // (y, dy) -> dx
  sigmoid_grad,  // (y, dy) -> dx
};

class UnaryFamily {
 public:
  virtual ~UnaryFamily() = default;
  // out = op(x); equal shapes and dtypes (f32, f64), any strides; out may be x itself.
  virtual void run(UnaryOp op, const Array& x, const Array& out) const = 0;
};

class BinaryFamily {
 public:
  virtual ~BinaryFamily() = default;
  // out = op(a, b); a and b expanded to out's shape (stride 0), equal dtypes (f32, f64); out may
  // be a or b itself.
  virtual void run(BinaryOp op, const Array& a, const Array& b, const Array& out) const = 0;
  // out = scale * a + shift; the dtype's own arithmetic.
  virtual void affine(const Array& a, double scale, double shift, const Array& out) const = 0;
};

}  // namespace tessera
