#include "autograd/ops/special.h"

#include <cmath>
#include <numbers>

#include "autograd/in_place.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/transcendental.h"
#include "autograd/ops/where.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)

// A number as an operand beside x that leaves the result's dtype to x, as far as it is floating.
Tensor number_beside(const Tensor& x, const Scalar& number) {
  DType promoted = floating_type(result_type(x.data(), number));
  Array operand = beside(x, number, promoted);
  return x.dim() == 0 ? operand.to(promoted) : operand;
}

}  // namespace

// dx = dy / (x (1 - x))
Tensor logit(TensorArg x, std::optional<double> eps) {
  double bound = eps.value_or(-1);
  double outside = bound < 0 ? NAN : 0;
  double least = std::max(bound, 0.0);
  return from_input("logit", UnaryOp::logit, Domain::real, x,
                    [least, outside](const Tensor& dy, const Tensor& x) {
                      Tensor beyond = logical_or(lt(x, least), gt(x, 1 - least));
                      // The slope at -0 is that at 0.
                      return where(beyond, outside, dy / (abs(x) * (1 - x)));
                    },
                    {bound, 0, 0});
}

// dx = dy log(y), 0 where x is 0 and y is not positive; dy_in = dy x / y
Tensor xlogy(TensorArg x, TensorArg y) {
  return from_inputs(
      "xlogy", BinaryOp::xlogy, Domain::real, x, y,
      [](const Tensor& dy, const Tensor& x, const Tensor& y) {
        return where(logical_and(eq(x, 0), le(y, 0)), 0, xlogy(dy, y));
      },
      [](const Tensor& dy, const Tensor& x, const Tensor& y) { return dy * x / y; });
}
Tensor xlogy(TensorArg x, Scalar y) {
  const Composed scope;
  return xlogy(x, number_beside(x, y));
}
Tensor xlogy(Scalar x, TensorArg y) {
  const Composed scope;
  return xlogy(number_beside(y, x), y);
}

// da = dy a / y, db = dy b / y, in units of the larger one: y may be infinite where they are not.
// The shares do not depend on the unit, so it has no gradient.
Tensor hypot(TensorArg a, TensorArg b) {
  auto share = [](const Tensor& dy, const Tensor& own, const Tensor& other) {
    Tensor unit = maximum(abs(own.detach()), abs(other.detach()));
    unit = where(isfinite(unit), unit, 1);
    Tensor x = own / unit;
    return dy * (x / hypot(x, other / unit));
  };
  return from_inputs(
      "hypot", BinaryOp::hypot, Domain::floating, a, b, share,
      [share](const Tensor& dy, const Tensor& a, const Tensor& b) { return share(dy, b, a); });
}

// da = dy y / a: the signs of both, 0 where a is.
Tensor copysign(TensorArg a, TensorArg b) {
  return from_inputs(
      "copysign", BinaryOp::copysign, Domain::real, a, b,
      [](const Tensor& dy, const Tensor& a, const Tensor& b) {
        return where(eq(a, 0), 0, dy * (copysign(a.detach(), b.detach()) / a.detach()));
      },
      [](const Tensor& dy, const Tensor&, const Tensor&) { return zeros_like(dy); });
}
Tensor copysign(TensorArg a, Scalar b) {
  const Composed scope;
  return copysign(a, number_beside(a, b));
}

// dx = dy (cos(pi x) - sinc(x)) / x. Near 0 that is a difference of numbers close to 1, so there
// it is a series in u = (pi x)^2. The cosine is the same where x is less by an even number.
Tensor sinc(TensorArg x) {
  return from_input("sinc", UnaryOp::sinc, Domain::real, x, [](const Tensor& dy, const Tensor& x) {
    constexpr double kPi = std::numbers::pi;
    Tensor near = lt(abs(x), 0.05);
    Tensor small = where(near, x, 0);
    Tensor large = where(near, 1, x);
    Tensor u = square(small * kPi);
    Tensor series = small * (-kPi * kPi / 3) * (1 - u / 10 * (1 - u / 28 * (1 - u / 54)));
    Tensor turn = large - 2 * round(large / 2);
    return dy * where(near, series, (cos(turn * kPi) - sinc(large)) / large);
  });
}

Tensor float_power(TensorArg a, TensorArg b) {
  const Composed scope;
  return pow(to(a, DType::f64), to(b, DType::f64));
}
Tensor float_power(TensorArg x, Scalar power) {
  const Composed scope;
  return pow(to(x, DType::f64), power.to<double>());
}
Tensor float_power(Scalar base, TensorArg x) {
  const Composed scope;
  return pow(base.to<double>(), to(x, DType::f64));
}

Tensor polygamma(int64_t n, TensorArg x) {
  TESSERA_CHECK(n >= 0, "[polygamma] expected an order of at least 0, got {}", n);
  if (n == 0) return digamma(x);
  return from_input("polygamma", UnaryOp::polygamma, Domain::real, x,
                    [n](const Tensor& dy, const Tensor& x) { return dy * polygamma(n + 1, x); },
                    {static_cast<double>(n), 0, 0});
}

Tensor round(TensorArg x, int64_t decimals) {
  if (decimals == 0) return round(x);
  ElementwiseParams params{std::pow(10, std::abs(static_cast<double>(decimals))),
                           decimals < 0 ? 1.0 : 0.0, 0};
  return record("round", unary("round", UnaryOp::round_decimals, Domain::floating, x, params), {x},
                [](const Tensor& dy, const Node&) { return Grads{zeros_like(dy)}; });
}

const Tensor& logit_(SelfArg self, std::optional<double> eps) {
  return in_place("logit_", self, {}, [&](const Tensor& old) { return logit(old, eps); });
}
const Tensor& xlogy_(SelfArg self, TensorArg y) {
  return in_place("xlogy_", self, {y}, [&](const Tensor& old) { return xlogy(old, y); });
}
const Tensor& xlogy_(SelfArg self, Scalar y) {
  return in_place("xlogy_", self, {}, [&](const Tensor& old) { return xlogy(old, y); });
}
const Tensor& hypot_(SelfArg self, TensorArg b) {
  return in_place("hypot_", self, {b}, [&](const Tensor& old) { return hypot(old, b); });
}
const Tensor& copysign_(SelfArg self, TensorArg b) {
  return in_place("copysign_", self, {b}, [&](const Tensor& old) { return copysign(old, b); });
}
const Tensor& copysign_(SelfArg self, Scalar b) {
  return in_place("copysign_", self, {}, [&](const Tensor& old) { return copysign(old, b); });
}
const Tensor& sinc_(SelfArg self) {
  return in_place("sinc_", self, {}, [](const Tensor& old) { return sinc(old); });
}
const Tensor& float_power_(SelfArg self, TensorArg b) {
  TESSERA_CHECK(self.dtype() == DType::f64, "[float_power_] expected a tensor of f64, got {}",
                self.dtype());
  return in_place("float_power_", self, {b},
                  [&](const Tensor& old) { return float_power(old, b); });
}
const Tensor& float_power_(SelfArg self, Scalar power) {
  TESSERA_CHECK(self.dtype() == DType::f64, "[float_power_] expected a tensor of f64, got {}",
                self.dtype());
  return in_place("float_power_", self, {},
                  [&](const Tensor& old) { return float_power(old, power); });
}
const Tensor& polygamma_(SelfArg self, int64_t n) {
  return in_place("polygamma_", self, {}, [&](const Tensor& old) { return polygamma(n, old); });
}
const Tensor& round_(SelfArg self, int64_t decimals) {
  return in_place("round_", self, {}, [&](const Tensor& old) { return round(old, decimals); });
}

}  // namespace tessera
