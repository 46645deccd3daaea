#include "autograd/ops/elementwise.h"

#include "autograd/ops/reduce.h"
#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

void check_arithmetic(const char* op, const Tensor& x) {
  TESSERA_CHECK(x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[{}] expected f32 or f64, got {}", op, x.dtype());
}

Array unary(const char* op, UnaryOp kernel, const Tensor& x) {
  check_arithmetic(op, x);
  Array out = Array::empty(x.shape(), x.dtype(), x.device());
  kernels(x.device()).unary().run(kernel, x.data(), out);
  return out;
}

Array binary(const char* op, BinaryOp kernel, const Array& a, const Array& b) {
  TESSERA_CHECK(a.dtype() == b.dtype(), "[{}] expected one dtype, got {} and {}", op, a.dtype(),
                b.dtype());
  TESSERA_CHECK(a.device() == b.device(), "[{}] expected one device, got {} and {}", op, a.device(),
                b.device());
  check_arithmetic(op, a);
  if (a.shape() == b.shape()) {
    Array out = Array::empty(a.shape(), a.dtype(), a.device());
    kernels(a.device()).binary().run(kernel, a, b, out);
    return out;
  }
  Dims shape = broadcast_shapes(a.shape(), b.shape(), op);
  Array out = Array::empty(shape, a.dtype(), a.device());
  kernels(a.device()).binary().run(kernel, a.expand(shape), b.expand(shape), out);
  return out;
}

// The gradients that a kernel of its own computes from (x or y, dy).
Tensor fused_grad(BinaryOp kernel, const Array& saved, const Tensor& dy) {
  return binary("grad", kernel, saved, dy.data());
}

// The derivative of gelu, with its own: gelu'' = pdf(x) (2 - x^2).
Tensor gelu_slope(TensorArg x) {
  Tensor ones = Array::full({}, 1, x.dtype(), x.device());
  Array y = binary("gelu", BinaryOp::gelu_grad, x.data(), ones.data());
  return record("gelu_slope", y, {x}, [sx = Saved(x)](const Tensor& dy, const Node& node) {
    constexpr double kPdfAtZero = 0.39894228040143267794;
    Tensor squared = square(sx.get(node));
    return Grads{dy * kPdfAtZero * exp(affine(squared, -0.5, 0)) * (2 - squared)};
  });
}

// 1 where a wins, 1/2 where both are equal, 0 else: (1 + sign(a - b)) / 2.
Tensor share_of_larger(const Tensor& a, const Tensor& b) { return affine(sign(a - b), 0.5, 0.5); }

}  // namespace

Tensor add(TensorArg a, TensorArg b) {
  return record("add", binary("add", BinaryOp::add, a.data(), b.data()), {a, b},
                [sa = a.shape(), sb = b.shape()](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? sum_to(dy, sa) : Tensor(),
                               node.wants(1) ? sum_to(dy, sb) : Tensor()};
                });
}

Tensor sub(TensorArg a, TensorArg b) {
  return record("sub", binary("sub", BinaryOp::sub, a.data(), b.data()), {a, b},
                [sa = a.shape(), sb = b.shape()](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? sum_to(dy, sa) : Tensor(),
                               node.wants(1) ? sum_to(neg(dy), sb) : Tensor()};
                });
}

Tensor mul(TensorArg a, TensorArg b) {
  return record("mul", binary("mul", BinaryOp::mul, a.data(), b.data()), {a, b},
                [sa = Saved(a), sb = Saved(b), a_shape = a.shape(), b_shape = b.shape()](
                    const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? sum_to(dy * sb.get(node), a_shape) : Tensor(),
                               node.wants(1) ? sum_to(dy * sa.get(node), b_shape) : Tensor()};
                });
}

// da = dy / b; db = -dy a / b^2
Tensor div(TensorArg a, TensorArg b) {
  return record("div", binary("div", BinaryOp::div, a.data(), b.data()), {a, b},
                [sa = Saved(a), sb = Saved(b), a_shape = a.shape(), b_shape = b.shape()](
                    const Tensor& dy, const Node& node) {
                  Tensor b = sb.get(node);
                  Tensor da = dy / b;
                  Grads grads(2);
                  if (node.wants(0)) grads[0] = sum_to(da, a_shape);
                  if (node.wants(1)) grads[1] = sum_to(neg(da * (sa.get(node) / b)), b_shape);
                  return grads;
                });
}

Tensor operator/(TensorArg x, double c) {
  check_arithmetic("div", x);
  return x / Tensor(Array::full({}, c, x.dtype(), x.device()));
}

Tensor maximum(TensorArg a, TensorArg b) {
  return record("maximum", binary("maximum", BinaryOp::maximum, a.data(), b.data()), {a, b},
                [sa = Saved(a), sb = Saved(b)](const Tensor& dy, const Node& node) {
                  Tensor a = sa.get(node);
                  Tensor b = sb.get(node);
                  Tensor share = share_of_larger(a, b);
                  return Grads{sum_to(dy * share, a.shape()), sum_to(dy * (1 - share), b.shape())};
                });
}

Tensor minimum(TensorArg a, TensorArg b) {
  return record("minimum", binary("minimum", BinaryOp::minimum, a.data(), b.data()), {a, b},
                [sa = Saved(a), sb = Saved(b)](const Tensor& dy, const Node& node) {
                  Tensor a = sa.get(node);
                  Tensor b = sb.get(node);
                  Tensor share = share_of_larger(b, a);
                  return Grads{sum_to(dy * share, a.shape()), sum_to(dy * (1 - share), b.shape())};
                });
}

Tensor affine(TensorArg x, double scale, double shift) {
  check_arithmetic("affine", x);
  Array out = Array::empty(x.shape(), x.dtype(), x.device());
  kernels(x.device()).binary().affine(x.data(), scale, shift, out);
  return record("affine", out, {x},
                [scale](const Tensor& dy, const Node&) { return Grads{affine(dy, scale, 0)}; });
}

Tensor neg(TensorArg x) {
  return record("neg", unary("neg", UnaryOp::neg, x), {x},
                [](const Tensor& dy, const Node&) { return Grads{neg(dy)}; });
}

Tensor abs(TensorArg x) {
  return record("abs", unary("abs", UnaryOp::abs, x), {x},
                [sx = Saved(x)](const Tensor& dy, const Node& node) {
                  return Grads{dy * sign(sx.get(node))};
                });
}

Tensor sign(TensorArg x) {
  return record("sign", unary("sign", UnaryOp::sign, x), {x},
                [](const Tensor& dy, const Node&) { return Grads{affine(dy, 0, 0)}; });
}

Tensor square(TensorArg x) {
  return record("square", unary("square", UnaryOp::square, x), {x},
                [sx = Saved(x)](const Tensor& dy, const Node& node) {
                  return Grads{dy * affine(sx.get(node), 2, 0)};
                });
}

// dx = dy / (2 sqrt(x))
Tensor sqrt(TensorArg x) {
  Array y = unary("sqrt", UnaryOp::sqrt, x);
  return record("sqrt", y, {x}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    return Grads{dy / affine(sy.get(node), 2, 0)};
  });
}

Tensor exp(TensorArg x) {
  Array y = unary("exp", UnaryOp::exp, x);
  return record("exp", y, {x}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    return Grads{dy * sy.get(node)};
  });
}

Tensor log(TensorArg x) {
  return record(
      "log", unary("log", UnaryOp::log, x), {x},
      [sx = Saved(x)](const Tensor& dy, const Node& node) { return Grads{dy / sx.get(node)}; });
}

// dx = -dy y^2
Tensor reciprocal(TensorArg x) {
  Array y = unary("reciprocal", UnaryOp::reciprocal, x);
  return record("reciprocal", y, {x}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    return Grads{neg(dy * square(sy.get(node)))};
  });
}

Tensor tanh(TensorArg x) {
  Array y = unary("tanh", UnaryOp::tanh, x);
  return record("tanh", y, {x}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    if (!context().grad_enabled) {
      return Grads{fused_grad(BinaryOp::tanh_grad, sy.array(node), dy)};
    }
    return Grads{dy * (1 - square(sy.get(node)))};
  });
}

Tensor sigmoid(TensorArg x) {
  Array y = unary("sigmoid", UnaryOp::sigmoid, x);
  return record("sigmoid", y, {x}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    if (!context().grad_enabled) {
      return Grads{fused_grad(BinaryOp::sigmoid_grad, sy.array(node), dy)};
    }
    Tensor y = sy.get(node);
    return Grads{dy * (y * (1 - y))};
  });
}

Tensor relu(TensorArg x) {
  return record("relu", unary("relu", UnaryOp::relu, x), {x},
                [sx = Saved(x)](const Tensor& dy, const Node& node) {
                  Array saved = sx.array(node);
                  if (!context().grad_enabled) {
                    return Grads{fused_grad(BinaryOp::relu_grad, saved, dy)};
                  }
                  Tensor ones = Array::full({}, 1, saved.dtype(), saved.device());
                  return Grads{dy * fused_grad(BinaryOp::relu_grad, saved, ones)};
                });
}

Tensor gelu(TensorArg x) {
  return record("gelu", unary("gelu", UnaryOp::gelu, x), {x},
                [sx = Saved(x)](const Tensor& dy, const Node& node) {
                  if (!context().grad_enabled) {
                    return Grads{fused_grad(BinaryOp::gelu_grad, sx.array(node), dy)};
                  }
                  return Grads{dy * gelu_slope(sx.get(node))};
                });
}

}  // namespace tessera
