#include "autograd/ops/likelihood_loss.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/loss_common.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/check.h"

namespace tessera {
namespace {

// t log t - t + log(2 pi t) / 2 for t above 1, else 0.
Tensor log_factorials(const Tensor& t) {
  Tensor small = le(t.detach(), 1);
  Tensor n = masked_fill(t, small, 2);
  Tensor terms = n * log(n) - n + 0.5 * log(2 * std::numbers::pi * n);
  return masked_fill(terms, small, 0);
}

void check_variances(const char* op, const Tensor& var) {
  const NoGrad constant;
  Array met = logical_not(lt(var.detach(), 0)).data();
  kernels(var.device()).check().all(met, [op, shape = var.shape()](int64_t position) {
    return fmt::format("[{}] expected no negative variance, got one at {} of {}", op, position,
                       shape);
  });
}

// var with a dim of size 1 where x has its last and var has none.
Tensor beside(const char* op, const Tensor& var, const Tensor& x) {
  if (var.shape() == x.shape()) return var;
  const Dims& size = x.shape();
  if (var.dim() + 1 == x.dim() &&
      std::equal(var.shape().begin(), var.shape().end(), size.begin())) {
    return unsqueeze(var, -1);
  }
  size_t others = 0;
  bool fits = var.dim() == x.dim();
  for (size_t d = 0; fits && d < x.dim(); ++d) {
    if (var.shape()[d] == size[d]) continue;
    fits = var.shape()[d] == 1;
    ++others;
  }
  TESSERA_CHECK(fits && others == 1,
                "[{}] expected variances of x's shape {}, or that with one dim of size 1 or "
                "without the last, got {}",
                op, size, var.shape());
  return var;
}

// The larger of x and least, with the gradient of x.
Tensor held_above(const Tensor& x, double least) {
  Tensor bound = Array::full({}, least, x.dtype(), x.device());
  Array y = maximum(x.detach(), bound).data();
  return record("clamp", y, {x}, [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

}  // namespace

Tensor poisson_nll_loss(TensorArg x, TensorArg target, const PoissonNllLossOptions& options) {
  const Composed scope;
  const char* op = "poisson_nll_loss";
  check_reduction(op, options.reduction);
  LossDType dtype(op, x, target);
  broadcast_shapes(x.shape(), target.shape(), op);
  Tensor rate = dtype.wide(x);
  Tensor count = dtype.wide(target);
  Tensor losses =
      options.log_input ? exp(rate) - count * rate : rate - count * log(rate + options.eps);
  if (options.full) losses = losses + log_factorials(count);
  return reduce_losses(losses, options.reduction, dtype.result);
}

Tensor gaussian_nll_loss(TensorArg x, TensorArg target, TensorArg var,
                         const GaussianNllLossOptions& options) {
  const Composed scope;
  const char* op = "gaussian_nll_loss";
  check_reduction(op, options.reduction);
  LossDType dtype(op, x, target, var);
  broadcast_shapes(x.shape(), target.shape(), op);
  TESSERA_CHECK(options.eps > 0, "[{}] expected an eps above 0, got {}", op, options.eps);
  check_variances(op, var);
  Tensor v = held_above(dtype.wide(beside(op, var, x)), options.eps);
  Tensor d = dtype.wide(x) - dtype.wide(target);
  // The square itself may be beyond the dtype.
  Tensor losses = 0.5 * (log(v) + d * (d / v));
  if (options.full) losses = losses + 0.5 * std::log(2 * std::numbers::pi);
  return reduce_losses(losses, options.reduction, dtype.result);
}

Tensor gaussian_nll_loss(TensorArg x, TensorArg target, double var,
                         const GaussianNllLossOptions& options) {
  const Composed scope;
  TESSERA_CHECK(is_floating(x.dtype()),
                "[gaussian_nll_loss] expected x of a floating dtype, got {}", x.dtype());
  return gaussian_nll_loss(x, target, Array::full(x.shape(), var, x.dtype(), x.device()), options);
}

}  // namespace tessera
