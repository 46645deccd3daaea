#include "autograd/ops/loss.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/loss_common.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/check.h"
#include "core/kernels/unary.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// The operands of a loss in the dtype it is computed in; its result is rounded to `result`.
struct Operands {
  Tensor x, target;
  DType result;

  // One of them may be of integers.
  Operands(const char* op, const Tensor& x_in, const Tensor& target_in) {
    broadcast_shapes(x_in.shape(), target_in.shape(), op);
    result = result_type(x_in.data(), target_in.data());
    TESSERA_CHECK(is_floating(result), "[{}] expected a floating dtype, got {} and {}", op,
                  x_in.dtype(), target_in.dtype());
    x = to(x_in, compute_dtype_of(result));
    target = to(target_in, compute_dtype_of(result));
  }
  Tensor difference() const { return x - target; }
  Tensor scaled(const char* op, const Tensor& losses, const Tensor& weight) const {
    if (!weight.defined()) return losses;
    check_weight(op, "a weight", weight, losses);
    return losses * to(weight, losses.dtype());
  }
  static void check_weight(const char* op, const char* what, const Tensor& weight,
                           const Tensor& losses) {
    TESSERA_CHECK(weight.dim() <= losses.dim() &&
                      broadcast_shapes(weight.shape(), losses.shape(), op) == losses.shape(),
                  "[{}] expected {} that broadcasts to {}, got shape {}", op, what, losses.shape(),
                  weight.shape());
  }
  Tensor reduce(const Tensor& losses, Reduction reduction) const {
    return reduce_losses(losses, reduction, result);
  }
};

void check_both_floating(const char* op, const Tensor& x, const Tensor& target) {
  TESSERA_CHECK(is_floating(x.dtype()) && is_floating(target.dtype()),
                "[{}] expected floating dtypes, got {} and {}", op, x.dtype(), target.dtype());
}

void check_weight(const char* op, const Tensor& x, const Tensor& weight) {
  TESSERA_CHECK(weight.shape() == x.shape(), "[{}] expected a weight of x's shape {}, got {}", op,
                x.shape(), weight.shape());
}

// x - target, in the dtype that the loss is computed in: that of the operands where both are of
// integers.
Tensor difference(const char* op, const Tensor& x, const Tensor& target) {
  TESSERA_CHECK(x.dtype() != DType::boolean && target.dtype() != DType::boolean,
                "[{}] expected numbers, got {} and {}", op, x.dtype(), target.dtype());
  DType dtype = result_type(x.data(), target.data());
  if (is_floating(dtype)) {
    Operands in(op, x, target);
    return in.x - in.target;
  }
  broadcast_shapes(x.shape(), target.shape(), op);
  return x - target;
}

// weight * losses, whose mean is over the sum of the weights. `dtype` is that of the losses before
// they were widened.
Tensor reduce_weighted(const Tensor& losses, DType dtype, const Tensor& weight,
                       Reduction reduction) {
  ResultType type;
  DType result = type.add(dtype, losses.dim()).add(weight.data()).get();
  DType compute = is_floating(result) ? compute_dtype_of(result) : result;
  Tensor factors = to(weight, compute);
  Tensor terms = to(losses, compute) * factors;
  if (reduction == Reduction::none) return to(terms, result);
  Tensor total = sum(terms);
  if (reduction == Reduction::mean) total = total / sum(factors);
  return is_floating(result) ? to(total, result) : total;
}

Tensor absolute_loss(const char* op, const Tensor& x, const Tensor& target, Reduction reduction,
                     const Tensor& weight) {
  DType dtype = result_type(x.data(), target.data());
  Tensor distance = abs(difference(op, x, target));
  if (weight.defined()) {
    check_weight(op, x, weight);
    return reduce_weighted(distance, dtype, weight, reduction);
  }
  if (reduction == Reduction::none) return to(distance, dtype);
  if (reduction == Reduction::mean) {
    TESSERA_CHECK(is_floating(dtype), "[{}] expected a floating dtype for a mean, got {} and {}",
                  op, x.dtype(), target.dtype());
    return to(mean(distance), dtype);
  }
  return is_floating(dtype) ? to(sum(distance), dtype) : sum(distance);
}

Array full_like(const Tensor& x, double value) {
  return Array::full({}, value, x.dtype(), x.device());
}

Array compared(BinaryOp op, const Array& x, double value) {
  Array out = Array::empty(x.shape(), DType::boolean, x.device());
  Array other = Array::full({}, value, x.dtype(), x.device()).expand(x.shape());
  kernels(x.device()).binary().run(op, x, other, out);
  return out;
}

// d^2 / 2 for |d| up to the knee and knee (|d| - knee / 2) from there on: with m, which is d held
// within the knee on either side, m (d - m / 2). Without |d|, whose slope at 0 hides a curvature.
Tensor quadratic_then_linear(const Tensor& d, double knee) {
  Tensor m = clamp(d, -knee, knee);
  return m * (d - affine(m, 0.5, 0));
}

// log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|))
Tensor log_sigmoid(const Tensor& x) {
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  kernels(x.device()).unary().run(UnaryOp::logsigmoid, x.data(), y);
  return Tensor(y);
}

// y times a factor that may be left out.
Tensor times(const Tensor& y, const Tensor& factor) { return factor.defined() ? y * factor : y; }

// dx = dy ((1 - t) sigmoid(x) - t p sigmoid(-x)), dt = dy (log(sigmoid(-x)) - p log(sigmoid(x))),
// dp = -dy t log(sigmoid(x)). sigmoid(x) - t would have no digits left where both are close to 1.
Grads logits_grads(const Tensor& dy, const Tensor& x, const Tensor& t, const Tensor& p,
                   const Node& node) {
  Grads grads(node.edges().size());
  if (node.wants(0)) {
    grads[0] = dy * ((1 - t) * sigmoid(x) - times(t * sigmoid(neg(x)), p));
  }
  if (node.wants(1)) grads[1] = dy * (logsigmoid(neg(x)) - times(logsigmoid(x), p));
  if (p.defined() && node.wants(2)) {
    grads[2] = pointwise::to_like(neg(dy * t * logsigmoid(x)), pointwise::Like(p));
  }
  return grads;
}

// -(t p log(sigmoid(x)) + (1 - t) log(sigmoid(-x))), p being left out where it is undefined. Both
// terms are at least 0 for t in [0, 1], so that none cancels the other's digits.
Tensor logits_losses(const char* op, const Tensor& x, const Tensor& t, const Tensor& p) {
  Array losses;
  {
    const NoGrad no_grad;
    Tensor yes = times(t * log_sigmoid(x), p);
    losses = neg(yes + (1 - t) * log_sigmoid(neg(x))).data();
  }
  auto backward = [sx = Saved(x), st = Saved(t), sp = Saved(p)](const Tensor& dy,
                                                                const Node& node) {
    return logits_grads(dy, sx.get(node), st.get(node), sp.get(node), node);
  };
  if (!p.defined()) return record(op, losses, {x, t}, backward);
  return record(op, losses, {x, t, p}, backward);
}

// t (log t - x), 0 where t is, even beside an infinite x; dx = -t, dt = log t + 1 - x, which goes
// to -infinity there.
Tensor divergences(const Tensor& x, const Tensor& t) {
  Tensor losses;
  {
    const NoGrad no_grad;
    losses = where(eq(t, 0), 0, t * (log(t) - x));
  }
  return record("kl_div", losses.data(), {x, t},
                [sx = Saved(x), st = Saved(t)](const Tensor& dy, const Node& node) {
                  using pointwise::Like;
                  using pointwise::to_like;
                  Tensor x = sx.get(node);
                  Tensor t = st.get(node);
                  Grads grads(2);
                  if (node.wants(0)) grads[0] = to_like(neg(dy * t), Like(x));
                  if (node.wants(1)) grads[1] = to_like(dy * (log(t) + 1 - x), Like(t));
                  return grads;
                });
}

// log(x), but at least -100.
Array cut_log(UnaryOp log, const Array& x) {
  Array y = Array::empty(x.shape(), x.dtype(), x.device());
  kernels(x.device()).unary().run(log, x, y);
  const NoGrad no_grad;
  return maximum(Tensor(y), Tensor(full_like(Tensor(y), -100))).data();
}

void check_probabilities(const Array& x) {
  Array inside = compared(BinaryOp::ge, x, 0);
  const Kernels& here = kernels(x.device());
  here.binary().run(BinaryOp::logical_and, inside, compared(BinaryOp::le, x, 1), inside);
  here.check().all(inside, [shape = x.shape()](int64_t position) {
    return fmt::format(
        "[binary_cross_entropy] expected x in [0, 1], got something else at {} of {}", position,
        shape);
  });
}

// -(t log x + (1 - t) log(1 - x)); dx = (x - t) / (x (1 - x)), where the denominator is at least
// 1e-12, and dt = log(1 - x) - log x.
Tensor binary_cross_entropy_losses(const Tensor& x, const Tensor& t) {
  Array losses;
  {
    const NoGrad no_grad;
    Tensor flipped(affine(x, -1, 0).data());
    Tensor yes(cut_log(UnaryOp::log, x.data()));
    Tensor no(cut_log(UnaryOp::log1p, flipped.data()));
    losses = neg(t * yes + (1 - t) * no).data();
  }
  return record("binary_cross_entropy", losses, {x, t},
                [sx = Saved(x), st = Saved(t)](const Tensor& dy, const Node& node) {
                  Tensor x = sx.get(node);
                  Grads grads(2);
                  if (node.wants(0)) {
                    Tensor variance = maximum(x * (1 - x), Tensor(full_like(x, 1e-12)));
                    grads[0] = dy * (x - st.get(node)) / variance;
                  }
                  if (node.wants(1)) grads[1] = dy * (log(1 - x) - log(x));
                  return grads;
                });
}

}  // namespace

void check_reduction(const char* op, Reduction reduction) {
  TESSERA_CHECK(reduction != Reduction::batch_mean, "[{}] expected none, sum or mean, not the {}",
                op, "batch_mean of kl_div");
}

Tensor reduce_losses(const Tensor& losses, Reduction reduction, DType result) {
  if (reduction == Reduction::none) return to(losses, result);
  return to(reduction == Reduction::sum ? sum(losses) : mean(losses), result);
}

Tensor mse_loss(TensorArg x, TensorArg target, Reduction reduction, TensorArg weight) {
  const Composed scope;
  const char* op = "mse_loss";
  check_reduction(op, reduction);
  if (!weight.defined()) {
    Operands in(op, x, target);
    return in.reduce(square(in.x - in.target), reduction);
  }
  check_weight(op, x, weight);
  return reduce_weighted(square(difference(op, x, target)), result_type(x.data(), target.data()),
                         weight, reduction);
}

Tensor l1_loss(TensorArg x, TensorArg target, Reduction reduction, TensorArg weight) {
  const Composed scope;
  check_reduction("l1_loss", reduction);
  return absolute_loss("l1_loss", x, target, reduction, weight);
}

Tensor smooth_l1_loss(TensorArg x, TensorArg target, Reduction reduction, double beta) {
  const Composed scope;
  check_reduction("smooth_l1_loss", reduction);
  TESSERA_CHECK(beta >= 0, "[smooth_l1_loss] expected a beta of at least 0, got {}", beta);
  if (beta == 0) return absolute_loss("smooth_l1_loss", x, target, reduction, {});
  Operands in("smooth_l1_loss", x, target);
  return in.reduce(quadratic_then_linear(in.difference(), beta) / beta, reduction);
}

Tensor huber_loss(TensorArg x, TensorArg target, Reduction reduction, double delta,
                  TensorArg weight) {
  const Composed scope;
  const char* op = "huber_loss";
  check_reduction(op, reduction);
  TESSERA_CHECK(delta > 0, "[huber_loss] expected a delta above 0, got {}", delta);
  TESSERA_CHECK(is_floating(x.dtype()), "[huber_loss] expected an x of a floating dtype, got {}",
                x.dtype());
  Operands in(op, x, target);
  in.result = x.dtype();
  Tensor losses = quadratic_then_linear(in.difference(), delta);
  if (!weight.defined()) return in.reduce(losses, reduction);
  check_weight(op, x, weight);
  in.result = result_type(x.data(), weight.data());
  DType compute = compute_dtype_of(in.result);
  return in.reduce(to(losses, compute) * to(weight, compute), reduction);
}

Tensor binary_cross_entropy(TensorArg x, TensorArg target, TensorArg weight, Reduction reduction) {
  const Composed scope;
  check_reduction("binary_cross_entropy", reduction);
  check_both_floating("binary_cross_entropy", x, target);
  Operands in("binary_cross_entropy", x, target);
  TESSERA_CHECK(x.shape() == target.shape(),
                "[binary_cross_entropy] expected a target of x's shape {}, got {}", x.shape(),
                target.shape());
  check_probabilities(in.x.data());
  Tensor losses = binary_cross_entropy_losses(in.x, in.target);
  return in.reduce(in.scaled("binary_cross_entropy", losses, weight), reduction);
}

Tensor binary_cross_entropy_with_logits(TensorArg x, TensorArg target, TensorArg weight,
                                        TensorArg pos_weight, Reduction reduction) {
  const Composed scope;
  const char* op = "binary_cross_entropy_with_logits";
  check_reduction(op, reduction);
  check_both_floating(op, x, target);
  Operands in(op, x, target);
  in.result = target.dtype();
  TESSERA_CHECK(x.shape() == target.shape(), "[{}] expected a target of x's shape {}, got {}", op,
                x.shape(), target.shape());
  Tensor p;
  if (pos_weight.defined()) {
    p = to(pos_weight, in.x.dtype());
    Operands::check_weight(op, "a pos_weight", p, in.x);
  }
  Tensor losses = logits_losses(op, in.x, in.target, p);
  return in.reduce(in.scaled(op, losses, weight), reduction);
}

Tensor kl_div(TensorArg x, TensorArg target, Reduction reduction, bool log_target) {
  const Composed scope;
  check_both_floating("kl_div", x, target);
  Operands in("kl_div", x, target);
  Tensor losses;
  if (log_target) {
    losses = exp(in.target) * (in.target - in.x);
  } else {
    losses = divergences(in.x, in.target);
  }
  if (reduction != Reduction::batch_mean) return in.reduce(losses, reduction);
  double samples = losses.dim() == 0 ? 1 : static_cast<double>(losses.size(0));
  return to(sum(losses) / samples, in.result);
}

}  // namespace tessera
