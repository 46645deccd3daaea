#include "nn/optim/optimizer.h"

#include <cmath>
#include <unordered_set>

#include "core/finite.h"
#include "core/kernels.h"
#include "core/tree.h"

namespace tessera::optim {
namespace {

constexpr int64_t kChunk = 256;

Array flat(const Array& x) { return x.view({x.numel()}); }

}  // namespace

Optimizer::Optimizer(std::vector<ParamGroup> groups) : groups_(std::move(groups)) {
  std::unordered_set<const void*> seen;
  bool any_trained = false;
  for (const ParamGroup& group : groups_) {
    for (const Tensor& param : group.params) {
      TESSERA_CHECK(param.is_leaf(), "[Optimizer] expected leaves, got the result of an operation");
      TESSERA_CHECK(seen.insert(param.shared().get()).second,
                    "[Optimizer] a parameter is listed twice");
      any_trained = any_trained || param.requires_grad();
    }
  }
  TESSERA_CHECK(any_trained || seen.empty(),
                "[Optimizer] expected parameters that require a gradient, and none of {} does",
                seen.size());
}

bool Optimizer::step(double lr) { return step(lr, Array::scalar(1.0, DType::f64)); }

// What is not finite of a step's numbers; empty: all are.
std::string Optimizer::nonfinite(double lr, const Array& grad_scale) const {
  if (!std::isfinite(lr)) return fmt::format("the learning rate is {}", lr);
  size_t index = 0;
  for (const ParamGroup& group : groups_) {
    for (const Tensor& param : group.params) {
      ++index;
      if (!param.requires_grad() || !param.grad().defined()) continue;
      int64_t count = count_nonfinite(param.grad().data());
      if (count == 0) continue;
      return fmt::format(
          "the gradient of parameter {}, of shape {}, is NaN or infinite in {} of {} elements",
          index, param.shape(), count, param.numel());
    }
  }
  if (all_finite(grad_scale)) return {};
  return fmt::format("the gradients' scale is {}", grad_scale.item<double>());
}

bool Optimizer::step(double lr, const Array& grad_scale) {
  if (on_nonfinite_ != NonFinite::take) {
    std::string reason = nonfinite(lr, grad_scale);
    TESSERA_CHECK(reason.empty() || on_nonfinite_ == NonFinite::skip,
                  "[Optimizer] {}; nothing was updated", reason);
    if (!reason.empty()) return false;
  }
  size_t index = 0;
  for (const ParamGroup& group : groups_) {
    for (const Tensor& param : group.params) {
      if (states_.size() == index) states_.emplace_back();
      State& state = states_[index++];
      if (!param.requires_grad() || !param.grad().defined()) continue;
      while (state.arrays.size() < num_states()) {
        state.arrays.push_back(Array::zeros({param.numel()}, param.dtype(), param.device()));
      }
      update({flat(param.data()), flat(param.grad().data()), state.arrays, group.weight_decay},
             grad_scale, lr, ++state.steps);
    }
  }
  return true;
}

void Optimizer::zero_grad() {
  for (const ParamGroup& group : groups_) {
    for (const Tensor& param : group.params) param.set_grad({});
  }
}

Array clip_grad_norm(const std::vector<Tensor>& params, double max_norm, double* norm) {
  TESSERA_CHECK(max_norm > 0, "[clip_grad_norm] expected a norm above 0, got {}", max_norm);
  std::vector<double> sums;
  for (const Tensor& param : params) {
    if (!param.grad().defined()) continue;
    Array grad = flat(param.grad().data());
    Array chunks = Array::empty({(grad.numel() + kChunk - 1) / kChunk}, DType::f64, grad.device());
    kernels(grad.device()).reduce().chunk_square_sums(grad, chunks);
    for (double sum : chunks.to_vector<double>()) sums.push_back(sum);
  }
  double total = std::sqrt(tree_sum(sums));
  if (norm) *norm = total;
  // Written so that a NaN stays one and reaches the parameters, where it is seen.
  double factor = max_norm / (total + 1e-6);
  return Array::scalar(factor > 1 ? 1.0 : factor, DType::f64);
}

}  // namespace tessera::optim
