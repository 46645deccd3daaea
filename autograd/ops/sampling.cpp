#include "autograd/ops/sampling.h"

#include <cmath>
#include <limits>
#include <string>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/check.h"
#include "core/kernels/random.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// The end of [0, 1) and the smallest number that is not 0, in dtype: of f16 a subnormal one.
double below_one(DType dtype) {
  switch (dtype) {
    case DType::f64: return 1 - 0x1p-53;
    case DType::f32: return 1 - 0x1p-24;
    case DType::f16: return 1 - 0x1p-11;
    default: return 1 - 0x1p-8;
  }
}
double above_zero(DType dtype) {
  if (dtype == DType::f64) return std::numeric_limits<double>::min();
  return dtype == DType::f16 ? 0x1p-24 : 0x1p-126;
}

// An error naming op unless `met`, of x's shape, is true everywhere.
void check_all(const char* op, const Tensor& met, const Tensor& x, const char* wanted) {
  kernels(x.device()).check().all(met.data(), [=, shape = x.shape()](int64_t position) {
    return fmt::format("[{}] expected {}, got something else at {} of {}", op, wanted, position,
                       shape);
  });
}

void check_parameter_dtype(const char* op, const Tensor& x, const char* what) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected {} of a floating dtype, got {}", op, what,
                x.dtype());
}

// What kernels read and write. Numbers are drawn on the host for every device, whose numbers they
// then are; but a device without elements keeps to itself.
Array parameters(const Tensor& x) {
  Array wide = x.data().to(DType::f64);
  return (x.device().type == DeviceType::meta ? wide : wide.to(Device{})).contiguous();
}
Array result_like(const Array& x) { return Array::empty(x.shape(), DType::f64, x.device()); }

const RandomFamily& sampler_of(const Array& x) { return kernels(x.device()).random(); }

// Logarithms of gamma numbers, f64, where they were drawn.
Tensor log_gammas(const char* op, const Tensor& concentration) {
  check_parameter_dtype(op, concentration, "a concentration");
  Tensor met = logical_and(gt(concentration, 0), isfinite(concentration));
  check_all(op, met, concentration, "finite concentrations above 0");
  Array a = parameters(concentration);
  Array out = result_like(a);
  sampler_of(a).log_gamma(context().next_stream(), a, out);
  return out;
}

}  // namespace

// da = dy dx/da at a fixed quantile
Tensor standard_gamma(TensorArg concentration) {
  constexpr const char* kOp = "standard_gamma";
  Array x;
  {
    const NoGrad constant;
    const Composed scope;
    DType dtype = concentration.dtype();
    Tensor numbers = exp(log_gammas(kOp, concentration));
    x = clamp(numbers, above_zero(dtype), std::nullopt).data().to(dtype).to(concentration.device());
  }
  return record(
      kOp, x, {concentration},
      [sa = Saved(concentration), sx = SavedResult(x)](const Tensor& dy, const Node& node) {
        check_no_graph(kOp);
        Array a = parameters(sa.array(node));
        Array slope = result_like(a);
        sampler_of(a).gamma_slope(a, parameters(sx.array(node)), slope);
        return Grads{dy * Tensor(slope.to(dy.dtype()).to(dy.device()))};
      });
}

// With s = dx/da / (1 - x) of each number as a beta number, beside the sum of the others:
// da_i = s_i (dy_i - sum of x dy): what one gains, the others lose in proportion.
Tensor dirichlet(TensorArg concentration) {
  constexpr const char* kOp = "dirichlet";
  TESSERA_CHECK(concentration.dim() >= 1 && concentration.size(-1) >= 1,
                "[dirichlet] expected concentrations (..., K) with K of at least 1, got {}",
                concentration.shape());
  Array x;
  {
    const NoGrad constant;
    const Composed scope;
    DType dtype = concentration.dtype();
    Tensor shares = softmax(log_gammas(kOp, concentration), -1);
    x = clamp(shares, above_zero(dtype), below_one(dtype))
            .data()
            .to(dtype)
            .to(concentration.device());
  }
  return record(
      kOp, x, {concentration},
      [sa = Saved(concentration), sx = SavedResult(x)](const Tensor& dy, const Node& node) {
        check_no_graph(kOp);
        Tensor a(parameters(sa.array(node)));
        Tensor x(parameters(sx.array(node)));
        Tensor others = clamp(sum(a, -1, true) - a, above_zero(DType::f64), std::nullopt);
        Array slope = result_like(a.data());
        sampler_of(slope).beta_slope(x.data(), a.data(), others.data(), slope);
        Tensor wide(parameters(dy));
        Tensor da = Tensor(slope) * (wide - sum(x * wide, -1, true));
        return Grads{Tensor(da.data().to(dy.dtype()).to(dy.device()))};
      });
}

Tensor poisson(TensorArg rate) {
  const NoGrad constant;
  const Composed scope;
  check_parameter_dtype("poisson", rate, "a rate");
  check_all("poisson", logical_and(ge(rate, 0), isfinite(rate)), rate,
            "finite rates of at least 0");
  Array mean = parameters(rate);
  Array out = result_like(mean);
  sampler_of(mean).poisson(context().next_stream(), mean, out);
  return out.to(rate.dtype()).to(rate.device());
}

Tensor binomial(TensorArg count, TensorArg p) {
  const NoGrad constant;
  const Composed scope;
  Dims shape = pointwise::check_operands("binomial", {count, p});
  check_parameter_dtype("binomial", p, "probabilities");
  check_all("binomial",
            logical_and(logical_and(ge(count, 0), eq(count, floor(count))), isfinite(count)), count,
            "whole numbers of trials of at least 0");
  check_all("binomial", logical_and(ge(p, 0), le(p, 1)), p, "probabilities in [0, 1]");
  Array trials = parameters(expand(count, shape));
  Array chance = parameters(expand(p, shape));
  Array out = result_like(chance);
  sampler_of(chance).binomial(context().next_stream(), trials, chance, out);
  return out.to(result_type(count.data(), p.data())).to(p.device());
}

}  // namespace tessera
