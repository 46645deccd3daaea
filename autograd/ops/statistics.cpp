#include "autograd/ops/statistics.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

void check_floating(const char* op, const Tensor& x) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
}

// An array for one result per line of x (outer, n, inner).
Array line_results(const Tensor& x, DType dtype) {
  return Array::empty({x.size(0), 1, x.size(2)}, dtype, x.device());
}

// x / c, in place.
void divide_by(const Array& x, double c) {
  kernels(x.device())
      .binary()
      .run(BinaryOp::div, x, Array::full({}, c, x.dtype(), x.device()).expand(x.shape()), x);
}

double freedom(const Tensor& x, double correction) {
  return std::max(0.0, static_cast<double>(x.size(1)) - correction);
}

// The variance of each line, in f32 or f64.
Array variances(const Tensor& x, double correction) {
  const FoldFamily& fold = kernels(x.device()).fold();
  Array terms = x.data().to(x.dtype() == DType::f64 ? DType::f64 : DType::f32).contiguous();
  Array mean = line_results(x, terms.dtype());
  fold.run(FoldOp::sum, terms, mean);
  divide_by(mean, static_cast<double>(x.size(1)));
  Array out = line_results(x, terms.dtype());
  fold.square_deviations(terms, mean, out);
  divide_by(out, freedom(x, correction));
  return out;
}

Tensor deviations(const Tensor& x) { return x - mean(x, 1, true); }

// dx = dy 2 (x - mean) / (n - correction)
Tensor var_lines(const Tensor& x, double correction) {
  return record("var", variances(x, correction).to(x.dtype()), {x},
                [=, sx = Saved(x)](const Tensor& dy, const Node& node) {
                  Tensor x = sx.get(node);
                  return Grads{dy * deviations(x) * (2 / freedom(x, correction))};
                });
}

// dx = dy / y (x - mean) / (n - correction), and 0 where y is 0
Tensor std_lines(const Tensor& x, double correction) {
  Array y = variances(x, correction);
  kernels(x.device()).unary().run(UnaryOp::sqrt, y, y);
  y = y.to(x.dtype());
  return record("std", y, {x},
                [=, sx = Saved(x), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  Tensor x = sx.get(node);
                  Tensor y = sy.get(node);
                  Tensor zero = equal_mask(y.data(), Array::full({}, 0, y.dtype(), y.device()));
                  Tensor slope = dy * (1 - zero) / (y + zero);
                  return Grads{slope * deviations(x) * (1 / freedom(x, correction))};
                });
}

// The gradient of the norm y of each line of x.
//   p = 1: sign(x) dy
//   p = 2: x / y dy
//   infinite: sign(x) dy, shared among those with |x| = y
//   other: sign(x) (|x| / y)^(p - 1) dy
Tensor norm_grad(double p, const Tensor& x, const Tensor& y, const Tensor& dy) {
  if (p == 0) return Tensor(Array::zeros(x.shape(), x.dtype(), x.device()));
  if (p == 1) return dy * sign(x);
  if (std::isinf(p)) {
    Tensor mask = equal_mask(abs(x).data(), y.data());
    return dy / sum(mask, 1, true) * (mask * sign(x));
  }
  Array zero = Array::full({}, 0, x.dtype(), x.device());
  Tensor zero_y = equal_mask(y.data(), zero);
  if (p == 2) return dy * (1 - zero_y) * (x / (y + zero_y));
  // Zeros are kept out of the logarithm.
  Tensor zero_x = equal_mask(x.data(), zero);
  Tensor ratio = (abs(x) + zero_x) / (y + zero_y);
  return dy * (sign(x) * exp(log(ratio) * (p - 1)));
}

Tensor norm_lines(double p, const Tensor& x) {
  Array y = line_results(x, x.dtype());
  kernels(x.device()).fold().norm(p, x.data().contiguous(), y);
  return record("norm", y, {x},
                [p, sx = Saved(x), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  return Grads{norm_grad(p, sx.get(node), sy.get(node), dy)};
                });
}

// dx = dy exp(x - y)
Tensor logsumexp_lines(const Tensor& x) {
  Array y = line_results(x, x.dtype());
  kernels(x.device()).fold().log_sum_exp(x.data().contiguous(), y);
  return record("logsumexp", y, {x},
                [sx = Saved(x), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  return Grads{dy * exp(sx.get(node) - sy.get(node))};
                });
}

}  // namespace

Tensor var(TensorArg x, const DimsArg& dims, double correction, bool keepdim) {
  const Composed scope;
  check_floating("var", x);
  Lines lines("var", x.shape(), dims);
  return lines.reduced(var_lines(lines.of(x), correction), keepdim);
}

Tensor std(TensorArg x, const DimsArg& dims, double correction, bool keepdim) {
  const Composed scope;
  check_floating("std", x);
  Lines lines("std", x.shape(), dims);
  return lines.reduced(std_lines(lines.of(x), correction), keepdim);
}

VarMean var_mean(TensorArg x, const DimsArg& dims, double correction, bool keepdim) {
  return {var(x, dims, correction, keepdim), mean(x, dims, keepdim)};
}

StdMean std_mean(TensorArg x, const DimsArg& dims, double correction, bool keepdim) {
  return {std(x, dims, correction, keepdim), mean(x, dims, keepdim)};
}

Tensor norm(TensorArg x, double p, const DimsArg& dims, bool keepdim) {
  const Composed scope;
  check_floating("norm", x);
  Lines lines("norm", x.shape(), dims);
  TESSERA_CHECK(lines.n() > 0 || (p >= 0 && !std::isinf(p)),
                "[norm] expected elements for the {}-norm, got none along dims {} of {}", p,
                dims.get(), x.shape());
  return lines.reduced(norm_lines(p, lines.of(x)), keepdim);
}

Tensor logsumexp(TensorArg x, const DimsArg& dims, bool keepdim) {
  const Composed scope;
  check_floating("logsumexp", x);
  Lines lines("logsumexp", x.shape(), dims);
  return lines.reduced(logsumexp_lines(lines.of(x)), keepdim);
}

}  // namespace tessera
