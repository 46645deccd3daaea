#include "autograd/ops/activation.h"

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/compare.h"
#include "autograd/ops/pointwise.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/transcendental.h"
#include "autograd/ops/where.h"

namespace tessera {
namespace {

using namespace pointwise;  // NOLINT(google-build-using-namespace)

// y = kernel(x) whose gradient is grad_kernel(x, dy) while no graph of it is wanted, and else
// dx(dy, x).
template <class Gradient>
Tensor fused(const char* op, UnaryOp kernel, BinaryOp grad_kernel, Domain domain,
             const TensorArg& x, Gradient dx) {
  return record(op, unary(op, kernel, domain, x), {x},
                [sx = Saved(x), op, grad_kernel, dx](const Tensor& dy, const Node& node) {
                  if (context().grad_enabled) return Grads{rounded_once(dy, sx.get(node), dx)};
                  Array x = sx.array(node);
                  return Grads{binary_into(op, grad_kernel, x, dy.data(), x.dtype())};
                });
}

Tensor normal_cdf(const Tensor& x) { return (erf(x * M_SQRT1_2) + 1) * 0.5; }
Tensor normal_pdf(const Tensor& x) {
  return exp(square(x) * -0.5) * (0.5 * M_2_SQRTPI * M_SQRT1_2);
}

// (1 + t) / 2 + x (1 - t^2) inner' / 2 with t = tanh(inner), inner = sqrt(2/pi) (x + 0.044715 x^3)
Tensor gelu_tanh_slope(const Tensor& x) {
  constexpr double kScale = M_2_SQRTPI * M_SQRT1_2;
  constexpr double kCubic = 0.044715;
  Tensor squared = square(x);
  Tensor t = tanh(x * (squared * kCubic + 1) * kScale);
  Tensor inner_slope = (squared * (3 * kCubic) + 1) * kScale;
  return (t + 1) * 0.5 + x * (1 - square(t)) * inner_slope * 0.5;
}

// x where it is not positive, else 0: what an exponential may be taken of in a branch that is not.
Tensor negative_part(const Tensor& x) { return where(le(x, 0), x, 0); }

// dy where low < x < high, else 0.
Tensor inside(const Tensor& dy, const Tensor& x, double low, double high) {
  return where(logical_and(gt(x, low), lt(x, high)), dy, 0);
}

// fn(x), a composition, of 16-bit floats in f32 and rounded once.
template <class F>
Tensor in_wide(const TensorArg& x, F fn) {
  if (!is_half(x.dtype())) return fn(*x);
  return to(fn(to(x, DType::f32)), x.dtype());
}

// x, or slope x where x is not positive: dx = dy or dy slope, dslope = dy x of the latter alone.
Tensor by_slope(const TensorArg& x, const Tensor& slope) {
  DType result = result_type(x.data(), slope.data());
  Array y;
  {
    NoGrad constant;
    Tensor scaled = widened(x, result) * widened(slope, result);
    y = converted(where(gt(x, 0), x, scaled), result).data();
  }
  return record("prelu", y, {x, slope},
                [sx = Saved(x), ss = Saved(slope)](const Tensor& grad, const Node& node) {
                  Tensor own_x = sx.get(node);
                  Tensor own_slope = ss.get(node);
                  Tensor dy = widened(grad, grad.dtype());
                  Tensor above = gt(own_x, 0);
                  Grads grads(2);
                  if (node.wants(0)) {
                    Tensor dx = where(above, dy, dy * widened(own_slope, grad.dtype()));
                    grads[0] = to_like(dx, Like(own_x));
                  }
                  if (node.wants(1)) {
                    Tensor below = where(above, 0, widened(own_x, grad.dtype()));
                    grads[1] = to_like(dy * below, Like(own_slope));
                  }
                  return grads;
                });
}

// A bound cut off to an integer, within what a dtype of integers holds.
int64_t whole_bound(double bound, DType dtype) {
  bool is_u8 = dtype == DType::u8;
  bool is_wide = dtype == DType::i64;
  int64_t lowest = is_u8 ? 0 : is_wide ? INT64_MIN : INT32_MIN;
  int64_t highest = is_u8 ? UINT8_MAX : is_wide ? INT64_MAX : INT32_MAX;
  if (bound <= static_cast<double>(lowest)) return lowest;
  return bound >= static_cast<double>(highest) ? highest : static_cast<int64_t>(bound);
}

}  // namespace

Tensor sigmoid(TensorArg x) {
  Array y = unary("sigmoid", UnaryOp::sigmoid, Domain::real, x);
  return record("sigmoid", y, {x}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    if (context().grad_enabled) {
      return Grads{rounded_once(
          dy, sy.get(node), [](const Tensor& dy, const Tensor& y) { return dy * (y * (1 - y)); })};
    }
    Array saved = sy.array(node);
    return Grads{binary_into("sigmoid", BinaryOp::sigmoid_grad, saved, dy.data(), saved.dtype())};
  });
}
Tensor logsigmoid(TensorArg x) {
  return from_input("logsigmoid", UnaryOp::logsigmoid, Domain::floating, x,
                    [](const Tensor& dy, const Tensor& x) { return dy * sigmoid(neg(x)); });
}

Tensor relu(TensorArg x) {
  return fused("relu", UnaryOp::relu, BinaryOp::relu_grad, Domain::numbers, x,
               [](const Tensor& dy, const Tensor& x) { return where(le(x, 0), 0, dy); });
}
Tensor relu6(TensorArg x) {
  return from_input("relu6", UnaryOp::relu6, Domain::numbers, x,
                    [](const Tensor& dy, const Tensor& x) { return inside(dy, x, 0, 6); });
}
Tensor leaky_relu(TensorArg x, double slope) {
  return from_input(
      "leaky_relu", UnaryOp::leaky_relu, Domain::floating, x,
      [slope](const Tensor& dy, const Tensor& x) { return where(gt(x, 0), dy, dy * slope); },
      {slope, 0, 0});
}
Tensor prelu(TensorArg x, TensorArg slope) {
  result_dtype("prelu", Domain::floating, x.dtype());
  Composed composed;
  Tensor factor = *slope;
  if (slope.numel() == 1) {
    factor = reshape(slope, {});
  } else {
    TESSERA_CHECK(x.dim() >= 2 && slope.shape() == Dims{x.size(1)},
                  "[prelu] expected one slope, or one per element of dim 1 of x {}, got {}",
                  x.shape(), slope.shape());
    Dims shape(x.dim(), 1);
    shape[1] = slope.numel();
    factor = reshape(slope, shape);
  }
  return by_slope(x, factor);
}
// dx = dy alpha e^x where x is not positive. A NaN passes dy on, as in PyTorch.
Tensor elu(TensorArg x, double alpha) {
  return from_input("elu", UnaryOp::elu, Domain::floating, x,
                    [alpha](const Tensor& dy, const Tensor& x) {
                      return where(le(x, 0), dy * exp(negative_part(x)) * alpha, dy);
                    },
                    {alpha, 0, 0});
}
Tensor celu(TensorArg x, double alpha) {
  TESSERA_CHECK(alpha != 0, "[celu] expected an alpha other than 0");
  return from_input("celu", UnaryOp::celu, Domain::floating, x,
                    [alpha](const Tensor& dy, const Tensor& x) {
                      return where(le(x, 0), dy * exp(negative_part(x) / alpha), dy);
                    },
                    {alpha, 0, 0});
}
Tensor selu(TensorArg x) {
  constexpr double kScale = 1.0507009873554804934;
  constexpr double kAlpha = 1.6732632423543772848;
  return from_input("selu", UnaryOp::selu, Domain::floating, x,
                    [](const Tensor& dy, const Tensor& x) {
                      Tensor below = dy * exp(negative_part(x)) * (kScale * kAlpha);
                      return where(le(x, 0), below, dy * kScale);
                    });
}

// dx = dy (cdf(x) + x pdf(x))
Tensor gelu(TensorArg x, Gelu form) {
  if (form == Gelu::tanh) {
    return fused("gelu", UnaryOp::gelu_tanh, BinaryOp::gelu_tanh_grad, Domain::floating, x,
                 [](const Tensor& dy, const Tensor& x) { return dy * gelu_tanh_slope(x); });
  }
  return fused(
      "gelu", UnaryOp::gelu, BinaryOp::gelu_grad, Domain::floating, x,
      [](const Tensor& dy, const Tensor& x) { return dy * (normal_cdf(x) + x * normal_pdf(x)); });
}
// dx = dy s (1 + x (1 - s)), s = sigmoid(x)
Tensor silu(TensorArg x) {
  return fused("silu", UnaryOp::silu, BinaryOp::silu_grad, Domain::floating, x,
               [](const Tensor& dy, const Tensor& x) {
                 Tensor s = sigmoid(x);
                 return dy * (s * (x * (1 - s) + 1));
               });
}
// dx = dy (t + x (1 - t^2) sigmoid(x)), t = tanh(softplus(x))
Tensor mish(TensorArg x) {
  return from_input("mish", UnaryOp::mish, Domain::floating, x,
                    [](const Tensor& dy, const Tensor& x) {
                      Tensor t = tanh(softplus(x));
                      return dy * (t + x * (1 - square(t)) * sigmoid(x));
                    });
}
Tensor softplus(TensorArg x, double beta, double threshold) {
  TESSERA_CHECK(beta != 0, "[softplus] expected a beta other than 0");
  return from_input("softplus", UnaryOp::softplus, Domain::floating, x,
                    [beta, threshold](const Tensor& dy, const Tensor& x) {
                      Tensor scaled = x * beta;
                      return where(gt(scaled, threshold), dy, dy * sigmoid(scaled));
                    },
                    {beta, threshold, 0});
}
Tensor softsign(TensorArg x) {
  Composed composed;
  return in_wide(x, [](const Tensor& x) { return x / (abs(x) + 1); });
}
Tensor hardsigmoid(TensorArg x) {
  return from_input("hardsigmoid", UnaryOp::hardsigmoid, Domain::floating, x,
                    [](const Tensor& dy, const Tensor& x) { return inside(dy, x, -3, 3) / 6; });
}
Tensor hardswish(TensorArg x) {
  return from_input("hardswish", UnaryOp::hardswish, Domain::floating, x,
                    [](const Tensor& dy, const Tensor& x) {
                      Tensor within = where(lt(x, 3), dy * (x / 3 + 0.5), dy);
                      return where(le(x, -3), 0, within);
                    });
}
Tensor hardtanh(TensorArg x, double low, double high) {
  // A bound that is a NaN is the result.
  TESSERA_CHECK(!(low > high), "[hardtanh] expected low <= high, got {} and {}", low, high);
  if (!is_floating(x.dtype())) {
    result_dtype("hardtanh", Domain::numbers, x.dtype());
    TESSERA_CHECK(!std::isnan(low) && !std::isnan(high),
                  "[hardtanh] expected bounds that are numbers for {}, got {} and {}", x.dtype(),
                  low, high);
    return clamp(x, whole_bound(low, x.dtype()), whole_bound(high, x.dtype()));
  }
  return from_input(
      "hardtanh", UnaryOp::clamp, Domain::floating, x,
      [low, high](const Tensor& dy, const Tensor& x) { return inside(dy, x, low, high); },
      {low, high, 0});
}

Tensor glu(TensorArg x, int64_t dim) {
  size_t d = normalize_dim(dim, x.dim(), "glu");
  int64_t size = x.shape()[d];
  TESSERA_CHECK(size % 2 == 0, "[glu] expected an even size of dim {} of x {}, got {}", d,
                x.shape(), size);
  Composed composed;
  auto at = static_cast<int64_t>(d);
  return in_wide(x, [&](const Tensor& x) {
    return narrow(x, at, 0, size / 2) * sigmoid(narrow(x, at, size / 2, size / 2));
  });
}

}  // namespace tessera
