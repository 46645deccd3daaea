#include "autograd/ops/compare.h"

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/where.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)

Tensor pair(const char* op, BinaryOp kernel, Domain domain, const Tensor& a, const Tensor& b) {
  return binary(op, kernel, domain, a.data(), b.data());
}

// A comparison with a number is one in the dtype that both promote to, the number rounded to it.
Tensor against_number(const char* op, BinaryOp kernel, Domain domain, const Tensor& x,
                      const Scalar& c) {
  DType promoted = result_dtype(op, domain, result_type(x.data(), c));
  if (!gives_bool(kernel))
    return binary_into(op, kernel, x.data(), beside(x, c, promoted), promoted);
  // Integers as they are: rounded to a narrower dtype, 300 would be equal to 44.
  Array number = beside(x, c, promoted);
  if (is_floating(promoted)) number = number.to(promoted);
  return binary_into(op, kernel, x.data(), number, DType::boolean);
}

}  // namespace

Tensor eq(TensorArg a, TensorArg b) { return pair("eq", BinaryOp::eq, Domain::any, a, b); }
Tensor eq(TensorArg x, Scalar c) { return against_number("eq", BinaryOp::eq, Domain::any, x, c); }
Tensor ne(TensorArg a, TensorArg b) { return pair("ne", BinaryOp::ne, Domain::any, a, b); }
Tensor ne(TensorArg x, Scalar c) { return against_number("ne", BinaryOp::ne, Domain::any, x, c); }
Tensor lt(TensorArg a, TensorArg b) { return pair("lt", BinaryOp::lt, Domain::any, a, b); }
Tensor lt(TensorArg x, Scalar c) { return against_number("lt", BinaryOp::lt, Domain::any, x, c); }
Tensor le(TensorArg a, TensorArg b) { return pair("le", BinaryOp::le, Domain::any, a, b); }
Tensor le(TensorArg x, Scalar c) { return against_number("le", BinaryOp::le, Domain::any, x, c); }
Tensor gt(TensorArg a, TensorArg b) { return pair("gt", BinaryOp::gt, Domain::any, a, b); }
Tensor gt(TensorArg x, Scalar c) { return against_number("gt", BinaryOp::gt, Domain::any, x, c); }
Tensor ge(TensorArg a, TensorArg b) { return pair("ge", BinaryOp::ge, Domain::any, a, b); }
Tensor ge(TensorArg x, Scalar c) { return against_number("ge", BinaryOp::ge, Domain::any, x, c); }

// Whether |a - b| <= limit, for integers and a limit in f64: exact, since neither a distance nor a
// number is rounded.
Tensor integers_near(const Tensor& a, const Tensor& b, const Tensor& limit) {
  Tensor x(a.data().to(DType::i64));
  Tensor y(b.data().to(DType::i64));
  // From 2^63 on the distance wraps around to a negative number. There it is at most 2^64, and
  // whether a limit that is not next to it holds it can be said in f64.
  Tensor distance = maximum(x, y) - minimum(x, y);
  Tensor wide = abs(to(x, DType::f64) - to(y, DType::f64));
  Tensor far = logical_or(lt(distance, 0), ge(limit, 0x1p63));
  Tensor whole = to(floor(where(ge(limit, 0x1p63), 0.0, limit)), DType::i64);
  return where(far, le(wide, limit), le(distance, whole));
}

// An infinity is close to itself alone.
Tensor isclose(TensorArg a, TensorArg b, double rtol, double atol, bool equal_nan) {
  TESSERA_CHECK(rtol >= 0 && atol >= 0, "[isclose] expected rtol and atol >= 0, got {} and {}",
                rtol, atol);
  check_operands("isclose", {a, b});
  const Composed scope;
  NoGrad constant;
  Tensor close = eq(a, b);
  if (equal_nan) close = logical_or(close, logical_and(isnan(a), isnan(b)));
  DType promoted = result_type(a.data(), b.data());
  if (!is_floating(promoted)) {
    Tensor size = abs(Tensor(b.data().to(DType::f64)));
    return logical_or(close, integers_near(a, b, size * rtol + atol));
  }
  // The limit may be far smaller than what 16 bits hold beside the numbers.
  Tensor x = widened(a, promoted);
  Tensor y = widened(b, promoted);
  Tensor distance = abs(x - y);
  Tensor near = le(distance, abs(y) * rtol + atol);
  return logical_or(close, logical_and(isfinite(distance), near));
}

Tensor logical_and(TensorArg a, TensorArg b) {
  return pair("logical_and", BinaryOp::logical_and, Domain::any, a, b);
}
Tensor logical_or(TensorArg a, TensorArg b) {
  return pair("logical_or", BinaryOp::logical_or, Domain::any, a, b);
}
Tensor logical_xor(TensorArg a, TensorArg b) {
  return pair("logical_xor", BinaryOp::logical_xor, Domain::any, a, b);
}
Tensor logical_not(TensorArg x) {
  return unary("logical_not", UnaryOp::logical_not, Domain::any, x);
}

Tensor isnan(TensorArg x) { return unary("isnan", UnaryOp::isnan, Domain::any, x); }
Tensor isinf(TensorArg x) { return unary("isinf", UnaryOp::isinf, Domain::any, x); }
Tensor isfinite(TensorArg x) { return unary("isfinite", UnaryOp::isfinite, Domain::any, x); }

Tensor bitwise_and(TensorArg a, TensorArg b) {
  return pair("bitwise_and", BinaryOp::bitwise_and, Domain::integral, a, b);
}
Tensor bitwise_and(TensorArg x, Scalar c) {
  return against_number("bitwise_and", BinaryOp::bitwise_and, Domain::integral, x, c);
}
Tensor bitwise_or(TensorArg a, TensorArg b) {
  return pair("bitwise_or", BinaryOp::bitwise_or, Domain::integral, a, b);
}
Tensor bitwise_or(TensorArg x, Scalar c) {
  return against_number("bitwise_or", BinaryOp::bitwise_or, Domain::integral, x, c);
}
Tensor bitwise_xor(TensorArg a, TensorArg b) {
  return pair("bitwise_xor", BinaryOp::bitwise_xor, Domain::integral, a, b);
}
Tensor bitwise_xor(TensorArg x, Scalar c) {
  return against_number("bitwise_xor", BinaryOp::bitwise_xor, Domain::integral, x, c);
}
// The complement of a bool is its negation.
Tensor bitwise_not(TensorArg x) {
  if (x.dtype() == DType::boolean) return logical_not(x);
  return unary("bitwise_not", UnaryOp::bitwise_not, Domain::integral, x);
}
Tensor bitwise_left_shift(TensorArg a, TensorArg b) {
  return pair("bitwise_left_shift", BinaryOp::shift_left, Domain::integers, a, b);
}
Tensor bitwise_left_shift(TensorArg x, Scalar c) {
  return against_number("bitwise_left_shift", BinaryOp::shift_left, Domain::integers, x, c);
}
Tensor bitwise_right_shift(TensorArg a, TensorArg b) {
  return pair("bitwise_right_shift", BinaryOp::shift_right, Domain::integers, a, b);
}
Tensor bitwise_right_shift(TensorArg x, Scalar c) {
  return against_number("bitwise_right_shift", BinaryOp::shift_right, Domain::integers, x, c);
}

}  // namespace tessera
