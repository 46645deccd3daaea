// Names of elementwise functions.
#pragma once

#include <array>
#include <cstdint>

namespace tessera {

// Numbers that some functions take; their meaning stands beside the function's name.
using ElementwiseParams = std::array<double, 3>;

enum class UnaryOp : uint8_t {
  neg,
  abs,
  sign,
  square,
  sqrt,
  rsqrt,
  reciprocal,
  exp,
  log,
  floor,
  ceil,
  round,  // half to even
  trunc,
  frac,
  tanh,
  sigmoid,
  relu,
  relu6,
  leaky_relu,  // slope of the negative side
  gelu,
  gelu_tanh,
  silu,
  mish,
  softplus,  // beta, threshold
  elu,       // alpha
  selu,
  celu,  // alpha
  hardswish,
  hardsigmoid,
  logsigmoid,
  clamp,           // low, high; a NaN stays
  nan_to_num,      // what stands for NaN, for infinity, for minus infinity
  logit,           // eps, or a number below 0 for none
  round_decimals,  // 10^|decimals|, whether these are negative
  // From here on element by element.
  exp2,
  expm1,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  erfinv,
  lgamma,
  digamma,
  trigamma,
  polygamma,    // the order, an integer of at least 0
  bitwise_not,  // integers and bool
  // Into bool.
  isnan,
  isinf,
  isfinite,
  logical_not,
};

enum class BinaryOp : uint8_t {
  add,
  sub,
  mul,
  div,
  maximum,  // a NaN in either is the result
  minimum,
  fmax,  // the other one where one is a NaN
  fmin,
  xlogy,           // a log(b), 0 where a is 0 and b no NaN
  relu_grad,       // (x, dy) -> dx
  gelu_grad,       // (x, dy) -> dx
  gelu_tanh_grad,  // (x, dy) -> dx
  silu_grad,       // (x, dy) -> dx
  tanh_grad,       // (y, dy) -> dx
  sigmoid_grad,    // (y, dy) -> dx
  // From here on element by element.
  pow,
  atan2,
  fmod,          // the sign of a
  remainder,     // the sign of b
  floor_divide,  // rounded down
  trunc_divide,  // rounded towards zero
  logaddexp,
  logaddexp2,
  hypot,
  copysign,
  bitwise_and,  // integers and bool, as are the next four
  bitwise_or,
  bitwise_xor,
  shift_left,
  shift_right,
  // Into bool.
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  logical_and,
  logical_or,
  logical_xor,
};

// Whether the result is bool whatever the operands are.
inline bool gives_bool(UnaryOp op) { return op >= UnaryOp::isnan; }
inline bool gives_bool(BinaryOp op) { return op >= BinaryOp::eq; }

}  // namespace tessera
