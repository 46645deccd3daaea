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
  Dims shape = a.shape() == b.shape() ? a.shape() : broadcast_shapes(a.shape(), b.shape(), op);
  Array out = Array::empty(shape, a.dtype(), a.device());
  kernels(a.device()).binary().run(kernel, a.expand(shape), b.expand(shape), out);
  return out;
}

// The gradients that a kernel of its own computes from (x or y, dy).
Tensor fused_grad(BinaryOp kernel, const Array& saved, const Tensor& dy) {
  return binary("grad", kernel, saved, dy.data());
}

// 1 where a wins, 1/2 where both are equal, 0 else: (1 + sign(a - b)) / 2.
Tensor share_of_larger(const Tensor& a, const Tensor& b) { return affine(sign(a - b), 0.5, 0.5); }

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return record("add", binary("add", BinaryOp::add, a.data(), b.data()), {&a, &b},
                [sa = a.shape(), sb = b.shape()](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? sum_to(dy, sa) : Tensor(),
                               node.wants(1) ? sum_to(dy, sb) : Tensor()};
                });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return record("sub", binary("sub", BinaryOp::sub, a.data(), b.data()), {&a, &b},
                [sa = a.shape(), sb = b.shape()](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? sum_to(dy, sa) : Tensor(),
                               node.wants(1) ? sum_to(neg(dy), sb) : Tensor()};
                });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return record("mul", binary("mul", BinaryOp::mul, a.data(), b.data()), {&a, &b},
                [a, b](const Tensor& dy, const Node& node) {
                  return Grads{node.wants(0) ? sum_to(dy * b, a.shape()) : Tensor(),
                               node.wants(1) ? sum_to(dy * a, b.shape()) : Tensor()};
                });
}

// da = dy / b; db = -dy a / b^2
Tensor div(const Tensor& a, const Tensor& b) {
  return record("div", binary("div", BinaryOp::div, a.data(), b.data()), {&a, &b},
                [a, b](const Tensor& dy, const Node& node) {
                  Tensor da = dy / b;
                  return Grads{node.wants(0) ? sum_to(da, a.shape()) : Tensor(),
                               node.wants(1) ? sum_to(neg(da * (a / b)), b.shape()) : Tensor()};
                });
}

Tensor operator/(const Tensor& x, double c) {
  check_arithmetic("div", x);
  return x / Tensor(Array::full({}, c, x.dtype(), x.device()));
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return record("maximum", binary("maximum", BinaryOp::maximum, a.data(), b.data()), {&a, &b},
                [a, b](const Tensor& dy, const Node&) {
                  Tensor share = share_of_larger(a, b);
                  return Grads{sum_to(dy * share, a.shape()), sum_to(dy * (1 - share), b.shape())};
                });
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  return record("minimum", binary("minimum", BinaryOp::minimum, a.data(), b.data()), {&a, &b},
                [a, b](const Tensor& dy, const Node&) {
                  Tensor share = share_of_larger(b, a);
                  return Grads{sum_to(dy * share, a.shape()), sum_to(dy * (1 - share), b.shape())};
                });
}

Tensor affine(const Tensor& x, double scale, double shift) {
  check_arithmetic("affine", x);
  Array out = Array::empty(x.shape(), x.dtype(), x.device());
  kernels(x.device()).binary().affine(x.data(), scale, shift, out);
  return record("affine", out, {&x},
                [scale](const Tensor& dy, const Node&) { return Grads{affine(dy, scale, 0)}; });
}

Tensor neg(const Tensor& x) {
  return record("neg", unary("neg", UnaryOp::neg, x), {&x},
                [](const Tensor& dy, const Node&) { return Grads{neg(dy)}; });
}

Tensor abs(const Tensor& x) {
  return record("abs", unary("abs", UnaryOp::abs, x), {&x},
                [x](const Tensor& dy, const Node&) { return Grads{dy * sign(x)}; });
}

Tensor sign(const Tensor& x) {
  return record("sign", unary("sign", UnaryOp::sign, x), {&x},
                [](const Tensor& dy, const Node&) { return Grads{affine(dy, 0, 0)}; });
}

Tensor square(const Tensor& x) {
  return record("square", unary("square", UnaryOp::square, x), {&x},
                [x](const Tensor& dy, const Node&) { return Grads{dy * affine(x, 2, 0)}; });
}

// dx = dy / (2 sqrt(x))
Tensor sqrt(const Tensor& x) {
  Array y = unary("sqrt", UnaryOp::sqrt, x);
  return record("sqrt", y, {&x},
                [y](const Tensor& dy, const Node&) { return Grads{dy / affine(y, 2, 0)}; });
}

Tensor exp(const Tensor& x) {
  Array y = unary("exp", UnaryOp::exp, x);
  return record("exp", y, {&x}, [y](const Tensor& dy, const Node&) { return Grads{dy * y}; });
}

Tensor log(const Tensor& x) {
  return record("log", unary("log", UnaryOp::log, x), {&x},
                [x](const Tensor& dy, const Node&) { return Grads{dy / x}; });
}

// dx = -dy y^2
Tensor reciprocal(const Tensor& x) {
  Array y = unary("reciprocal", UnaryOp::reciprocal, x);
  return record("reciprocal", y, {&x},
                [y](const Tensor& dy, const Node&) { return Grads{neg(dy * square(y))}; });
}

Tensor tanh(const Tensor& x) {
  Array y = unary("tanh", UnaryOp::tanh, x);
  return record("tanh", y, {&x}, [y](const Tensor& dy, const Node&) {
    return Grads{fused_grad(BinaryOp::tanh_grad, y, dy)};
  });
}

Tensor sigmoid(const Tensor& x) {
  Array y = unary("sigmoid", UnaryOp::sigmoid, x);
  return record("sigmoid", y, {&x}, [y](const Tensor& dy, const Node&) {
    return Grads{fused_grad(BinaryOp::sigmoid_grad, y, dy)};
  });
}

Tensor relu(const Tensor& x) {
  return record("relu", unary("relu", UnaryOp::relu, x), {&x},
                [saved = x.data()](const Tensor& dy, const Node&) {
                  return Grads{fused_grad(BinaryOp::relu_grad, saved, dy)};
                });
}

Tensor gelu(const Tensor& x) {
  return record("gelu", unary("gelu", UnaryOp::gelu, x), {&x},
                [saved = x.data()](const Tensor& dy, const Node&) {
                  return Grads{fused_grad(BinaryOp::gelu_grad, saved, dy)};
                });
}

}  // namespace tessera
