#include "autograd/functional.h"

#include "autograd/context.h"
#include "autograd/engine.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"

namespace tessera {
namespace {

void check_input(const char* op, const Tensor& x) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating point tensor, got {}", op,
                x.dtype());
}

void check_scalar_result(const char* op, const Tensor& y) {
  TESSERA_CHECK(y.numel() == 1, "[{}] expected a function with a result of one element, got {}", op,
                y.shape());
}

void check_vector(const char* op, const Tensor& v, const Tensor& like) {
  TESSERA_CHECK(v.shape() == like.shape() && v.dtype() == like.dtype(),
                "[{}] expected a vector of shape {} and {}, got {} and {}", op, like.shape(),
                like.dtype(), v.shape(), v.dtype());
}

Tensor zeros_like(const Tensor& x) { return Array::zeros(x.shape(), x.dtype(), x.device()); }

// The gradient of y with respect to x, zeros where y does not depend on it.
Tensor gradient(const Tensor& y, const Tensor& x, const Tensor& dy, bool create_graph) {
  if (!y.requires_grad()) return zeros_like(x);
  GradOptions options{.create_graph = create_graph, .retain_graph = true, .allow_unused = true};
  Tensor dx = grad({y}, {x}, {dy}, options)[0];
  return dx.defined() ? dx : zeros_like(x);
}

// The rows laid one after the other, with their history.
Tensor stack_rows(const std::vector<Tensor>& rows, const Dims& row_shape, const Tensor& like) {
  Dims shape = row_shape;
  shape.insert(0, static_cast<int64_t>(rows.size()));
  Array out = Array::empty(shape, like.dtype(), like.device());
  for (size_t i = 0; i < rows.size(); ++i) {
    out.select(0, static_cast<int64_t>(i)).copy_(rows[i].data());
  }
  return record("stack", out, rows, [](const Tensor& dy, const Node& node) {
    Grads grads;
    for (size_t i = 0; i < node.edges().size(); ++i) {
      grads.push_back(select(dy, 0, static_cast<int64_t>(i)));
    }
    return grads;
  });
}

Dims joined(const Dims& a, const Dims& b) {
  Dims out = a;
  for (int64_t size : b) out.push_back(size);
  return out;
}

}  // namespace

Tensor jacobian(const UnaryFunction& fn, const Tensor& x, bool create_graph) {
  check_input("jacobian", x);
  EnableGrad recorded;
  Tensor input = create_graph && x.requires_grad() ? x : Tensor(x.data(), true);
  Tensor y = fn(input);
  check_input("jacobian", y);
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < y.numel(); ++i) {
    Array dy = Array::zeros({y.numel()}, y.dtype(), y.device());
    dy.select(0, i).fill_(1);
    rows.push_back(gradient(y, input, Tensor(dy.view(y.shape())), create_graph));
  }
  Tensor out = stack_rows(rows, x.shape(), y);
  return reshape(out, joined(y.shape(), x.shape()));
}

Tensor hessian(const UnaryFunction& fn, const Tensor& x) {
  auto slope = [&fn](const Tensor& input) {
    Tensor y = fn(input);
    check_scalar_result("hessian", y);
    return gradient(y, input, {}, /*create_graph=*/true);
  };
  return jacobian(slope, x);
}

ValueAndProduct vjp(const UnaryFunction& fn, const Tensor& x, const Tensor& v) {
  check_input("vjp", x);
  EnableGrad recorded;
  Tensor input(x.data(), true);
  Tensor y = fn(input);
  check_vector("vjp", v, y);
  return {y.detach(), gradient(y, input, v, false)};
}

ValueAndProduct jvp(const UnaryFunction& fn, const Tensor& x, const Tensor& v) {
  check_input("jvp", x);
  check_vector("jvp", v, x);
  EnableGrad recorded;
  Tensor input(x.data(), true);
  Tensor y = fn(input);
  Tensor u(Array::zeros(y.shape(), y.dtype(), y.device()), true);
  Tensor uj = gradient(y, input, u, /*create_graph=*/true);
  return {y.detach(), gradient(uj, u, v, false)};
}

ValueAndProduct hvp(const UnaryFunction& fn, const Tensor& x, const Tensor& v) {
  check_input("hvp", x);
  check_vector("hvp", v, x);
  EnableGrad recorded;
  Tensor input(x.data(), true);
  Tensor y = fn(input);
  check_scalar_result("hvp", y);
  Tensor slope = gradient(y, input, {}, /*create_graph=*/true);
  return {y.detach(), gradient(slope, input, v, false)};
}

}  // namespace tessera
