#include "autograd/ops/shrink.h"

#include "autograd/in_place.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/number_range.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/transcendental.h"
#include "autograd/ops/where.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)

// Where |x| <= bound, as a constant.
Tensor within(const Tensor& x, double bound) { return le(abs(x.detach()), bound); }

// The number as one of x's kind: cut off for integers.
Scalar of_kind(const Tensor& x, const Scalar& number) {
  if (is_floating(x.dtype())) return number.to<double>();
  return number.to<int64_t>();
}

}  // namespace

Tensor threshold(TensorArg x, Scalar threshold, Scalar value) {
  const Composed scope;
  result_dtype("threshold", Domain::numbers, x.dtype());
  check_in_range("threshold", value, x.dtype());
  return masked_fill(x, le(x->detach(), of_kind(x, threshold)), of_kind(x, value));
}
const Tensor& threshold_(SelfArg self, Scalar bound, Scalar value) {
  return in_place("threshold_", self, {},
                  [&](const Tensor& old) { return threshold(old, bound, value); });
}

Tensor hardshrink(TensorArg x, double lambda) {
  const Composed scope;
  result_dtype("hardshrink", Domain::floating, x.dtype());
  return masked_fill(x, within(x, lambda), 0);
}

// dx = dy, 0 where x was brought to 0. Within the bounds x less its clamped self is 0.
Tensor softshrink(TensorArg x, double lambda) {
  const Composed scope;
  result_dtype("softshrink", Domain::floating, x.dtype());
  TESSERA_CHECK(lambda >= 0, "[softshrink] expected a lambda of at least 0, got {}", lambda);
  Tensor constant(x.data());
  Tensor y = constant - clamp(constant, -lambda, lambda);
  return record("softshrink", y.data(), {x},
                [sx = Saved(x), lambda](const Tensor& dy, const Node& node) {
                  return Grads{masked_fill(dy, within(sx.get(node), lambda), 0)};
                });
}

Tensor tanhshrink(TensorArg x) {
  const Composed scope;
  TESSERA_CHECK(x.dtype() != DType::boolean, "[tanhshrink] expected numbers, got bool");
  return x - tanh(x);
}

}  // namespace tessera
