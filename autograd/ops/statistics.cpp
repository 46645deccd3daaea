#include "autograd/ops/statistics.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/promotion.h"

namespace tessera {
namespace {

void check_floating(const char* op, const Tensor& x) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
}

// An array for one result per line.
Array line_results(const Tensor& x, const Lines& lines) {
  return Array::empty(lines.shape(1), x.dtype(), x.device());
}

double freedom(const Lines& lines, double correction) {
  return std::max(0.0, static_cast<double>(lines.n()) - correction);
}

// x - mean(x), twice: what the mean's rounding left is gone after the second time.
Tensor deviations(const Tensor& x) {
  Tensor apart = x - mean(x, 1, true);
  return apart - mean(apart, 1, true);
}

// dx = dy 2 (x - mean) / (n - correction)
Tensor var_of(const Tensor& x, const Lines& lines, double correction, bool keepdim) {
  double divisor = freedom(lines, correction);
  Array y = line_results(x, lines);
  kernels(x.device()).fold().variance(lines.folded(x.data()), divisor, false, y);
  return record_fold("var", x, lines, keepdim, y,
                     [divisor](const Tensor& x, const Tensor&, const Tensor& dy) {
                       return dy * deviations(x) * (2 / divisor);
                     });
}

// dx = dy / y (x - mean) / (n - correction), and 0 where y is 0
Tensor std_of(const Tensor& x, const Lines& lines, double correction, bool keepdim) {
  double divisor = freedom(lines, correction);
  Array y = line_results(x, lines);
  kernels(x.device()).fold().variance(lines.folded(x.data()), divisor, true, y);
  return record_fold("std", x, lines, keepdim, y,
                     [divisor](const Tensor& x, const Tensor& y, const Tensor& dy) {
                       Tensor zero = y == 0;
                       Tensor slope = masked_fill(dy, zero, 0);
                       Tensor ratio = deviations(x) / masked_fill(y, zero, 1);
                       return slope * ratio * (1 / divisor);
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
    Tensor mask = same_elements(abs(x).data(), y.data());
    return dy / sum(mask, 1, true) * (mask * sign(x));
  }
  Tensor zero = y == 0;
  Tensor slope = masked_fill(dy, zero, 0);
  Tensor length = masked_fill(y, zero, 1);
  if (p == 2) return slope * (x / length);
  // Zeros, whose sign is 0, are kept out of the power.
  Tensor magnitude = masked_fill(abs(x), x == 0, 1);
  return slope * (sign(x) * pow(magnitude / length, p - 1));
}

Tensor norm_of(double p, const Tensor& x, const Lines& lines, bool keepdim) {
  Array y = line_results(x, lines);
  kernels(x.device()).fold().norm(p, lines.folded(x.data()), y);
  return record_fold(
      "norm", x, lines, keepdim, y,
      [p](const Tensor& x, const Tensor& y, const Tensor& dy) { return norm_grad(p, x, y, dy); });
}

// dx = dy exp(x - y - rest), where rest is what rounding took from y
Tensor logsumexp_of(const Tensor& x, const Lines& lines, bool keepdim) {
  Array y = line_results(x, lines);
  Array rest = wants_record(InputRefs{x}) ? line_results(x, lines) : Array();
  kernels(x.device()).fold().log_sum_exp(lines.folded(x.data()), y, rest);
  return record_fold(
      "logsumexp", x, lines, keepdim, y,
      [srest = SavedArray(rest)](const Tensor& x, const Tensor& y, const Tensor& dy) {
        Tensor rest(srest.get("logsumexp"));
        return dy * exp(neg(rest)) * exp(x - y);
      });
}

}  // namespace

Tensor var(TensorArg x, const DimsArg& dims, double correction, bool keepdim) {
  const Composed scope;
  check_floating("var", x);
  Lines lines("var", x.shape(), dims);
  return var_of(x, lines, correction, keepdim);
}

Tensor std(TensorArg x, const DimsArg& dims, double correction, bool keepdim) {
  const Composed scope;
  check_floating("std", x);
  Lines lines("std", x.shape(), dims);
  return std_of(x, lines, correction, keepdim);
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
  return norm_of(p, x, lines, keepdim);
}

Tensor logsumexp(TensorArg x, const DimsArg& dims, bool keepdim) {
  const Composed scope;
  Lines lines("logsumexp", x.shape(), dims);
  return logsumexp_of(to(x, floating_type(x.dtype())), lines, keepdim);
}

}  // namespace tessera
