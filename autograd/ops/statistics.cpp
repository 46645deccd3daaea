#include "autograd/ops/statistics.h"

#include <cmath>

#include "autograd/ops/compare.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/where.h"
#include "autograd/record.h"
#include "core/backend.h"
#include "core/kernels.h"
#include "core/kernels/fold.h"
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

// The lines (of x, along dim 1) whose result y is too large or too small for what is divided by it
// to have its digits; undefined where there are none, as far as the host can look without waiting.
Tensor extreme_lines(const Tensor& y) {
  if (y.device().type == DeviceType::meta) return {};
  const NoGrad guard;
  const Tensor at = y.detach();
  const bool doubles = y.dtype() == DType::f64;
  const bool halves = y.dtype() == DType::f16;
  double low = doubles ? 0x1p-1000 : halves ? 0x1p-10 : 0x1p-120;
  double high = doubles ? 0x1p990 : halves ? 0x1p8 : 0x1p100;
  Tensor extreme = ((at > 0) & (at < low)) | (at > high);
  bool looks = y.data().storage()->backend().host_reads();
  return !looks || any(extreme).item<bool>() ? extreme : Tensor();
}

// slope(x, y), where y is measure(x), a length of each line: extreme lines go through f64, in which
// they are not extreme.
template <class Measure, class Slope>
Tensor slope_of_length(const Tensor& x, const Tensor& y, const Measure& measure,
                       const Slope& slope) {
  const Tensor extreme = extreme_lines(y);
  if (!extreme.defined()) return slope(x, y);
  Tensor usual = slope(masked_fill(x, extreme, 0), masked_fill(y, extreme, 0));
  Tensor wide = masked_fill(to(x, DType::f64), logical_not(extreme), 0);
  if (x.dtype() == DType::f64) {
    Tensor smaller(Array::full({1}, 0x1p-600, DType::f64, x.device()));
    wide = wide * where(y > 1, smaller, 0x1p600);
  }
  return where(extreme, to(slope(wide, measure(wide)), x.dtype()), usual);
}

// dx = dy / y (x - mean) / (n - correction), and 0 where y is 0
Tensor std_of(const Tensor& x, const Lines& lines, double correction, bool keepdim) {
  double divisor = freedom(lines, correction);
  Array y = line_results(x, lines);
  kernels(x.device()).fold().variance(lines.folded(x.data()), divisor, true, y);
  return record_fold(
      "std", x, lines, keepdim, y,
      [correction, divisor](const Tensor& x, const Tensor& y, const Tensor& dy) {
        auto measure = [&](const Tensor& x) { return std(x, {1}, correction, true); };
        auto slope = [](const Tensor& x, const Tensor& y) {
          return deviations(x) / masked_fill(y, y == 0, 1);
        };
        return masked_fill(dy, y == 0, 0) * slope_of_length(x, y, measure, slope) * (1 / divisor);
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
  auto measure = [p](const Tensor& x) { return norm(x, p, {1}, true); };
  auto slope = [p](const Tensor& x, const Tensor& y) {
    Tensor length = masked_fill(y, y == 0, 1);
    if (p == 2) return x / length;
    // Zeros, whose sign is 0, are kept out of the power.
    Tensor magnitude = masked_fill(abs(x), x == 0, 1);
    return sign(x) * pow(magnitude / length, p - 1);
  };
  return masked_fill(dy, y == 0, 0) * slope_of_length(x, y, measure, slope);
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
