#include "autograd/gradcheck.h"

#include <cmath>
#include <cstring>

#include "autograd/context.h"
#include "autograd/engine.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "core/kernels.h"
#include "core/kernels/random.h"
#include "core/philox.h"

namespace tessera {
namespace {

using CheckedFunction = std::function<Tensor(const std::vector<Tensor>&)>;

bool same_bits(const Array& a, const Array& b) {
  auto x = a.to_vector<double>();
  auto y = b.to_vector<double>();
  if (a.shape() != b.shape()) return false;
  return x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0;
}

// grads[i] of every input for one gradient of the output.
std::vector<Array> backward_once(const Tensor& out, const std::vector<Tensor>& inputs,
                                 const Array& dy) {
  for (const Tensor& x : inputs) x.set_grad({});
  out.backward(Tensor(dy), /*retain_graph=*/true);
  std::vector<Array> grads;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& x = inputs[i];
    if (!x.requires_grad()) {
      grads.emplace_back();
      continue;
    }
    TESSERA_CHECK(x.grad().defined(), "[gradcheck] input {} got no gradient", i);
    TESSERA_CHECK(x.grad().shape() == x.shape() && x.grad().dtype() == x.dtype(),
                  "[gradcheck] input {} is {} {}, its gradient {} {}", i, x.shape(), x.dtype(),
                  x.grad().shape(), x.grad().dtype());
    grads.push_back(x.grad().data().clone());
  }
  return grads;
}

// Column `element` of the Jacobian with respect to input i, by central differences.
std::vector<double> difference(const CheckedFunction& fn, const std::vector<Tensor>& inputs,
                               size_t i, int64_t element, double step) {
  NoGrad no_grad;
  auto evaluate = [&](double shift) {
    std::vector<Tensor> moved = inputs;
    Array x = inputs[i].data().clone();
    x.data<double>()[element] += shift;
    moved[i] = Tensor(x);
    return fn(moved).data().to_vector<double>();
  };
  std::vector<double> above = evaluate(step);
  std::vector<double> below = evaluate(-step);
  for (size_t j = 0; j < above.size(); ++j) above[j] = (above[j] - below[j]) / (2 * step);
  return above;
}

void check_jacobian(const CheckedFunction& fn, const std::vector<Tensor>& inputs, const Tensor& out,
                    const GradcheckOptions& options) {
  int64_t rows = out.numel();
  std::vector<std::vector<Array>> analytic;
  for (int64_t j = 0; j < rows; ++j) {
    Array dy = Array::zeros(out.shape(), DType::f64);
    dy.data<double>()[j] = 1;
    analytic.push_back(backward_once(out, inputs, dy));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    for (int64_t e = 0; e < inputs[i].numel(); ++e) {
      std::vector<double> expected = difference(fn, inputs, i, e, options.step);
      for (int64_t j = 0; j < rows; ++j) {
        double got = analytic[static_cast<size_t>(j)][i].data<double>()[e];
        double want = expected[static_cast<size_t>(j)];
        TESSERA_CHECK(std::abs(got - want) <= options.atol + options.rtol * std::abs(want),
                      "[gradcheck] d out[{}] / d input{}[{}]: backward says {}, differences say {}",
                      j, i, e, got, want);
      }
    }
  }
}

}  // namespace

void gradcheck(const CheckedFunction& fn, const std::vector<Tensor>& inputs,
               const GradcheckOptions& options) {
  for (const Tensor& x : inputs) {
    TESSERA_CHECK(!x.requires_grad() || (x.dtype() == DType::f64 && x.is_leaf()),
                  "[gradcheck] expected leaves of f64, got {}", x.dtype());
  }
  Tensor out = fn(inputs);
  TESSERA_CHECK(out.requires_grad(), "[gradcheck] the result does not require a gradient");
  TESSERA_CHECK(same_bits(out.data(), fn(inputs).data()),
                "[gradcheck] the function gives other values when called again");
  check_jacobian(fn, inputs, out, options);

  Array ones = Array::full(out.shape(), 1.0, DType::f64);
  std::vector<Array> first = backward_once(out, inputs, ones);
  std::vector<Array> second = backward_once(out, inputs, ones);
  std::vector<Array> none = backward_once(out, inputs, Array::zeros(out.shape(), DType::f64));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) continue;
    TESSERA_CHECK(same_bits(first[i], second[i]),
                  "[gradcheck] a second backward gives input {} other bits", i);
    for (double value : none[i].to_vector<double>()) {
      TESSERA_CHECK(value == 0, "[gradcheck] a zero gradient gives input {} {}", i, value);
    }
  }
}

void gradgradcheck(const CheckedFunction& fn, const std::vector<Tensor>& inputs,
                   const GradcheckOptions& options) {
  Tensor out = fn(inputs);
  Array dy = Array::empty(out.shape(), DType::f64);
  kernels(dy.device()).random().uniform(parameter_stream(1, "gradgradcheck"), 0, 0.5, 1.5, dy);
  std::vector<Tensor> all = inputs;
  all.emplace_back(dy, true);
  size_t count = inputs.size();
  // The sum over all gradients, each weighted by its own number so that none stands for another.
  auto gradients = [&fn, count](const std::vector<Tensor>& in) {
    EnableGrad recorded;
    std::vector<Tensor> leaves;
    std::vector<Tensor> arguments;
    for (size_t i = 0; i < count; ++i) {
      bool wanted = is_floating(in[i].dtype()) && in[i].defined();
      // Differences are taken with constants: their gradient needs a leaf.
      arguments.push_back(wanted && !in[i].requires_grad() ? Tensor(in[i].data(), true) : in[i]);
      if (wanted) leaves.push_back(arguments.back());
    }
    GradOptions graph{.create_graph = true, .allow_unused = true};
    // Every input takes part, also where the gradient does not depend on it.
    Tensor total = sum(in[count]) * 0.0;
    for (const Tensor& leaf : leaves) total = total + sum(leaf) * 0.0;
    double weight = 1;
    for (const Tensor& dx : grad({fn(arguments)}, leaves, {in[count]}, graph)) {
      if (!dx.defined()) continue;
      total = total + sum(dx * dx * weight + dx);
      weight += 0.5;
    }
    return total;
  };
  gradcheck(gradients, all, options);
}

}  // namespace tessera
