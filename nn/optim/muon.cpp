#include "nn/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "autograd/ops/in_place.h"

namespace tessera::optim {
namespace {

// A matrix near the orthogonal one that is nearest to x: each iteration takes singular values s to
// a s + b s^3 + c s^5.
Tensor orthogonal(const Tensor& x, const MuonRule::Options& options) {
  auto rounded = [&](const Tensor& y) { return to(to(y, options.products), x.dtype()); };
  bool tall = x.size(0) > x.size(1);
  Tensor q = rounded(tall ? transpose(x, 0, 1) : x);
  Tensor norm = rounded(sqrt(sum(square(q))));
  q = rounded(q / clamp(norm, options.eps, std::nullopt));
  auto [a, b, c] = options.coefficients;
  for (int i = 0; i < options.iterations; ++i) {
    Tensor gram = rounded(matmul(q, transpose(q, 0, 1)));
    Tensor polynomial = rounded(gram * b + matmul(gram, gram) * c);
    q = rounded(q * a + matmul(polynomial, q));
  }
  return tall ? transpose(q, 0, 1) : q;
}

}  // namespace

MuonRule::MuonRule(Options options) : options_(options) {
  TESSERA_CHECK(options.momentum >= 0 && options.momentum < 1,
                "[Muon] expected a momentum in [0, 1), got {}", options.momentum);
  TESSERA_CHECK(options.iterations >= 1 && options.iterations < 100,
                "[Muon] expected from 1 to 99 iterations, got {}", options.iterations);
  TESSERA_CHECK(options.eps > 0, "[Muon] expected an eps above 0, got {}", options.eps);
  TESSERA_CHECK(is_floating(options.products),
                "[Muon] expected products of a floating dtype, got {}", options.products);
}

std::vector<StateInfo> MuonRule::states(const Dims& shape) const {
  TESSERA_CHECK(shape.size() == 2,
                "[Muon] expected matrices, got a parameter of shape {}: it belongs into a group "
                "with another rule",
                shape);
  return {{"momentum_buffer", shape}};
}

std::string MuonRule::describe() const {
  const Options& o = options_;
  return fmt::format("muon, momentum {}{}, {} iterations with {}, eps {}, scale {}, products {}",
                     o.momentum, o.nesterov ? " of Nesterov" : "", o.iterations,
                     fmt::join(o.coefficients, " "), o.eps, name(o.scale), o.products);
}

void MuonRule::update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const {
  NoGrad no_grad;
  if (slice.param.numel() == 0) return;
  write_slice_where(step.when, slice, [&](const Slice& own) { write(own, grad_scale, step); });
}

void MuonRule::write(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const {
  Tensor param(slice.param);
  Tensor momentum(slice.state[0]);
  Tensor g = Tensor(slice.grad) * Tensor(grad_scale);
  lerp_(momentum, g, 1 - options_.momentum);
  Tensor direction = options_.nesterov ? lerp(g, momentum, options_.momentum) : momentum;
  auto rows = static_cast<double>(param.size(0));
  auto columns = static_cast<double>(param.size(1));
  double ratio = options_.scale == MuonScale::original ? std::sqrt(std::max(1.0, rows / columns))
                                                       : 0.2 * std::sqrt(std::max(rows, columns));
  mul_(param, 1 - step.lr * step.weight_decay);
  add_(param, orthogonal(direction, options_), -step.lr * ratio);
}

}  // namespace tessera::optim
