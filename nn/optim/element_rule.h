// Rules of a user's own, written for one element.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/parallel.h"
#include "nn/optim/optimizer.h"

namespace tessera::optim {

// A rule with a method apply for each element by itself, which changes the parameter p and its
// states s, as many as there are names, from the gradient g, scaled, and the settings of the step:
//
//   struct Descent final : ElementRule<Descent> {
//     struct Options { double momentum = 0.9; } o;
//     explicit Descent(Options o) : ElementRule("descent, " + ..., {"mean"}), o(o) {}
//     void apply(double& p, double g, double* s, const UpdateStep& step) const {
//       s[0] = o.momentum * s[0] + g;
//       p -= step.lr * s[0];
//     }
//   };
//   OptimizerOf<Descent> optimizer({{net.parameters()}}, {.momentum = 0.5});
//
// It computes in f64 and rounds what it stores to the parameter's dtype, on CPUs alone: an Error
// for parameters elsewhere. apply runs on several threads at once, and changes nothing else.
template <class Own>
class ElementRule : public UpdateRule {
 public:
  // In words, as UpdateRule::describe gives it: what ranks compare, so with all settings in it.
  explicit ElementRule(std::string description, std::vector<std::string> state_names = {})
      : description_(std::move(description)), state_names_(std::move(state_names)) {}
  Cut cut() const final { return Cut::anywhere; }
  std::vector<StateInfo> states(const Dims& shape) const final {
    std::vector<StateInfo> out;
    for (const std::string& name : state_names_) out.push_back({name, shape});
    return out;
  }
  std::string describe() const final { return description_; }
  void update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const final {
    Device device = slice.param.device();
    if (device.type == DeviceType::meta) return;
    TESSERA_CHECK(device.type == DeviceType::cpu,
                  "[optimizer] '{}' updates parameters on a CPU, got some on {}", description_,
                  device);
    double scale = grad_scale.item<double>();
    if (slice.param.dtype() == DType::f64) update_typed<double>(slice, scale, step);
    else update_typed<float>(slice, scale, step);
  }

 private:
  template <class T>
  void update_typed(const Slice& slice, double scale, const UpdateStep& step) const {
    constexpr int64_t kTile = 16384;  // elements that a thread takes at once
    T* param = slice.param.data<T>();
    const T* grad = slice.grad.data<T>();
    std::vector<T*> states;
    for (const Array& state : slice.state) states.push_back(state.data<T>());
    const Own& own = static_cast<const Own&>(*this);
    parallel_tiles(slice.param.numel(), kTile, [&](int64_t begin, int64_t end) {
      std::vector<double> s(states.size());
      for (int64_t i = begin; i < end; ++i) {
        for (size_t k = 0; k < s.size(); ++k) s[k] = static_cast<double>(states[k][i]);
        auto p = static_cast<double>(param[i]);
        own.apply(p, static_cast<double>(grad[i]) * scale, s.data(), step);
        param[i] = static_cast<T>(p);
        for (size_t k = 0; k < s.size(); ++k) states[k][i] = static_cast<T>(s[k]);
      }
    });
  }

  std::string description_;
  std::vector<std::string> state_names_;
};

}  // namespace tessera::optim
