#include "nn/optim/adafactor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "autograd/ops/in_place.h"

namespace tessera::optim {
namespace {

double epsilon_of(DType dtype) {
  return dtype == DType::f64 ? std::numeric_limits<double>::epsilon()
                             : std::numeric_limits<float>::epsilon();
}

Tensor root_mean_square(const Tensor& x) {
  return sqrt(sum(square(x))) / std::sqrt(static_cast<double>(x.numel()));
}

// What the second moment of each element is taken to be, its own state moved on by g.
Tensor second_moment(const Tensor& g, const std::vector<Array>& state, double weight, double eps1) {
  if (g.dim() < 2) {
    Tensor variance(state[0]);
    lerp_(variance, square(g), weight);
    return variance;
  }
  Tensor rows(state[0]);
  Tensor columns(state[1]);
  lerp_(rows, mean(square(g), {-1}, /*keepdim=*/true), weight);
  lerp_(columns, mean(square(g), {-2}, /*keepdim=*/true), weight);
  return rows * columns / clamp(mean(rows, {-2}, /*keepdim=*/true), eps1, std::nullopt);
}

}  // namespace

AdafactorRule::AdafactorRule(Options options) : options_(options) {
  TESSERA_CHECK(options.beta2_decay <= 0, "[Adafactor] expected a beta2_decay of at most 0, got {}",
                options.beta2_decay);
  TESSERA_CHECK(options.eps1.value_or(0) >= 0 && options.eps2 >= 0,
                "[Adafactor] expected eps of at least 0, got {} and {}", options.eps1.value_or(0),
                options.eps2);
  TESSERA_CHECK(options.clip >= 1, "[Adafactor] expected a clip of at least 1, got {}",
                options.clip);
}

std::vector<StateInfo> AdafactorRule::states(const Dims& shape) const {
  if (shape.size() < 2) return {{"variance", shape}};
  Dims rows = shape;
  rows[rows.size() - 1] = 1;
  Dims columns = shape;
  columns[columns.size() - 2] = 1;
  return {{"row_var", rows}, {"col_var", columns}};
}

std::string AdafactorRule::describe() const {
  return fmt::format("adafactor, beta2_decay {}, eps {} and {}, clip {}", options_.beta2_decay,
                     options_.eps1 ? fmt::format("{}", *options_.eps1) : "of the dtype",
                     options_.eps2, options_.clip);
}

void AdafactorRule::update(const Slice& slice, const Array& grad_scale,
                           const UpdateStep& step) const {
  NoGrad no_grad;
  if (slice.param.numel() == 0) return;
  write_slice_where(step.when, slice, [&](const Slice& own) { write(own, grad_scale, step); });
}

void AdafactorRule::write(const Slice& slice, const Array& grad_scale,
                          const UpdateStep& step) const {
  Tensor param(slice.param);
  Tensor g = Tensor(slice.grad) * Tensor(grad_scale);
  double eps1 = options_.eps1.value_or(epsilon_of(param.dtype()));
  auto t = static_cast<double>(step.step);
  // Sizes stay on the device: nothing is read back.
  double rate = std::min(step.lr, 1 / std::sqrt(t));
  Tensor alpha = clamp(root_mean_square(param), options_.eps2, std::nullopt) * rate;
  mul_(param, 1 - step.lr * step.weight_decay);
  Tensor moment = second_moment(g, slice.state, std::pow(t, options_.beta2_decay), eps1);
  Tensor change = rsqrt(clamp(moment, eps1 * eps1, std::nullopt)) * g;
  Tensor clip = clamp(root_mean_square(change) / options_.clip, 1.0, std::nullopt);
  sub_(param, change * (alpha / clip));
}

}  // namespace tessera::optim
