#include "autograd/ops/transcendental.h"

#include <numbers>

#include "autograd/ops/activation.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/special.h"
#include "autograd/ops/where.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)
using std::numbers::inv_sqrtpi;
using std::numbers::ln10;
using std::numbers::ln2;

template <class Gradient>
Tensor by_input(const char* op, UnaryOp kernel, const TensorArg& x, Gradient dx) {
  return from_input(op, kernel, Domain::real, x, dx);
}
template <class Gradient>
Tensor by_result(const char* op, UnaryOp kernel, const TensorArg& x, Gradient dx) {
  return from_result(op, kernel, Domain::real, x, dx);
}

// own - other, and 0 for equal infinities, whose difference is a NaN.
Tensor lead(const Tensor& own, const Tensor& other) {
  Tensor level = logical_and(eq(own, other), isinf(own));
  return where(level, 0, own) - where(level, 0, other);
}

// 1 - x^2, whose digits the square would lose near 1.
Tensor one_less_square(const Tensor& x) { return (1 - x) * (x + 1); }

}  // namespace

Tensor exp(TensorArg x) {
  return by_result("exp", UnaryOp::exp, x,
                   [](const Tensor& dy, const Tensor& y) { return dy * y; });
}
Tensor exp2(TensorArg x) {
  return by_result("exp2", UnaryOp::exp2, x,
                   [](const Tensor& dy, const Tensor& y) { return dy * y * ln2; });
}
Tensor expm1(TensorArg x) {
  return by_result("expm1", UnaryOp::expm1, x,
                   [](const Tensor& dy, const Tensor& y) { return dy * (y + 1); });
}
Tensor log1p(TensorArg x) {
  return by_input("log1p", UnaryOp::log1p, x,
                  [](const Tensor& dy, const Tensor& x) { return dy / (x + 1); });
}
Tensor log(TensorArg x) {
  return by_input("log", UnaryOp::log, x, [](const Tensor& dy, const Tensor& x) { return dy / x; });
}
Tensor log2(TensorArg x) {
  return by_input("log2", UnaryOp::log2, x,
                  [](const Tensor& dy, const Tensor& x) { return dy / (x * ln2); });
}
Tensor log10(TensorArg x) {
  return by_input("log10", UnaryOp::log10, x,
                  [](const Tensor& dy, const Tensor& x) { return dy / (x * ln10); });
}

// da = dy e^a / (e^a + e^b) = dy sigmoid(a - b)
Tensor logaddexp(TensorArg a, TensorArg b) {
  auto share = [](const Tensor& dy, const Tensor& own, const Tensor& other) {
    return dy * sigmoid(lead(own, other));
  };
  return from_inputs(
      "logaddexp", BinaryOp::logaddexp, Domain::floating, a, b, share,
      [share](const Tensor& dy, const Tensor& a, const Tensor& b) { return share(dy, b, a); });
}
Tensor logaddexp2(TensorArg a, TensorArg b) {
  auto share = [](const Tensor& dy, const Tensor& own, const Tensor& other) {
    return dy * sigmoid(lead(own, other) * ln2);
  };
  return from_inputs(
      "logaddexp2", BinaryOp::logaddexp2, Domain::floating, a, b, share,
      [share](const Tensor& dy, const Tensor& a, const Tensor& b) { return share(dy, b, a); });
}

Tensor sin(TensorArg x) {
  return by_input("sin", UnaryOp::sin, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * cos(x); });
}
Tensor cos(TensorArg x) {
  return by_input("cos", UnaryOp::cos, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * neg(sin(x)); });
}
Tensor tan(TensorArg x) {
  return by_result("tan", UnaryOp::tan, x,
                   [](const Tensor& dy, const Tensor& y) { return dy * (square(y) + 1); });
}
Tensor asin(TensorArg x) {
  return by_input("asin", UnaryOp::asin, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * rsqrt(one_less_square(x)); });
}
Tensor acos(TensorArg x) {
  return by_input("acos", UnaryOp::acos, x, [](const Tensor& dy, const Tensor& x) {
    return dy * neg(rsqrt(one_less_square(x)));
  });
}
Tensor atan(TensorArg x) {
  return by_input("atan", UnaryOp::atan, x,
                  [](const Tensor& dy, const Tensor& x) { return dy / (square(x) + 1); });
}
// dy_in = dy x / (x^2 + y^2), dx = -dy y / (x^2 + y^2)
Tensor atan2(TensorArg y, TensorArg x) {
  auto over_square = [](const Tensor& dy, const Tensor& numerator, const Tensor& other) {
    // In units of the longer one, whose square might be too large or too small a number. The result
    // does not depend on the unit, so it has no gradient.
    Tensor unit = maximum(abs(numerator.detach()), abs(other.detach()));
    unit = where(logical_and(isfinite(unit), gt(unit, 0)), unit, 1);
    Tensor share = numerator / unit;
    Tensor length = square(share) + square(other / unit);
    return dy * (share / where(eq(length, 0), 1, length) / unit);
  };
  return from_inputs(
      "atan2", BinaryOp::atan2, Domain::real, y, x,
      [over_square](const Tensor& dy, const Tensor& y, const Tensor& x) {
        return over_square(dy, x, y);
      },
      [over_square](const Tensor& dy, const Tensor& y, const Tensor& x) {
        return over_square(neg(dy), y, x);
      });
}
Tensor sinh(TensorArg x) {
  return by_input("sinh", UnaryOp::sinh, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * cosh(x); });
}
Tensor cosh(TensorArg x) {
  return by_input("cosh", UnaryOp::cosh, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * sinh(x); });
}
Tensor tanh(TensorArg x) {
  Array y = unary("tanh", UnaryOp::tanh, Domain::real, x);
  return record("tanh", y, {x}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    if (context().grad_enabled) {
      return Grads{rounded_once(dy, sy.get(node), [](const Tensor& dy, const Tensor& y) {
        return dy * (1 - square(y));
      })};
    }
    Array saved = sy.array(node);
    return Grads{binary_into("tanh", BinaryOp::tanh_grad, saved, dy.data(), saved.dtype())};
  });
}
Tensor asinh(TensorArg x) {
  return by_input("asinh", UnaryOp::asinh, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * rsqrt(square(x) + 1); });
}
Tensor acosh(TensorArg x) {
  return by_input("acosh", UnaryOp::acosh, x, [](const Tensor& dy, const Tensor& x) {
    return dy * (rsqrt(x - 1) * rsqrt(x + 1));
  });
}
Tensor atanh(TensorArg x) {
  return by_input("atanh", UnaryOp::atanh, x,
                  [](const Tensor& dy, const Tensor& x) { return dy / one_less_square(x); });
}

Tensor erf(TensorArg x) {
  return by_input("erf", UnaryOp::erf, x, [](const Tensor& dy, const Tensor& x) {
    return dy * (exp(neg(square(x))) * (2 * inv_sqrtpi));
  });
}
Tensor erfc(TensorArg x) {
  return by_input("erfc", UnaryOp::erfc, x, [](const Tensor& dy, const Tensor& x) {
    return dy * (exp(neg(square(x))) * (-2 * inv_sqrtpi));
  });
}
Tensor erfinv(TensorArg x) {
  return by_result("erfinv", UnaryOp::erfinv, x, [](const Tensor& dy, const Tensor& y) {
    return dy * (exp(square(y)) * (0.5 / inv_sqrtpi));
  });
}
Tensor lgamma(TensorArg x) {
  return by_input("lgamma", UnaryOp::lgamma, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * digamma(x); });
}
Tensor digamma(TensorArg x) {
  return by_input("digamma", UnaryOp::digamma, x,
                  [](const Tensor& dy, const Tensor& x) { return dy * polygamma(1, x); });
}

}  // namespace tessera
