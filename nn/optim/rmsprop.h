// RMSprop.
#pragma once

#include "nn/optim/optimizer.h"
#include "nn/optim/option_checks.h"

namespace tessera::optim {

// Gradients over the root of their mean square (Hinton 2012), as torch.optim.RMSprop: weight decay
// is added to the gradient, and eps to the root.
class RmspropRule final : public ElementwiseRule {
 public:
  struct Options {
    double alpha = 0.99;  // what stays of the mean square in each step
    double eps = 1e-8;
    double momentum = 0;    // what stays of the last steps; 0: nothing
    bool centered = false;  // over the root of their variance (Graves 2013)
  };
  explicit RmspropRule(Options options) : options_(options) {
    check_decay("Rmsprop", "an alpha", options.alpha);
    check_decay("Rmsprop", "a momentum", options.momentum);
    check_eps("Rmsprop", options.eps);
  }
  std::string describe() const override {
    return fmt::format("rmsprop{}, alpha {}, eps {}, momentum {}",
                       options_.centered ? ", centered" : "", options_.alpha, options_.eps,
                       options_.momentum);
  }

 protected:
  std::string_view formula() const override {
    if (options_.centered) return has_mean() ? "rmsprop_centered_momentum" : "rmsprop_centered";
    return has_mean() ? "rmsprop_momentum" : "rmsprop";
  }
  std::vector<std::string> state_names() const override {
    std::vector<std::string> names{"square_avg"};
    if (options_.centered) names.emplace_back("grad_avg");
    if (has_mean()) names.emplace_back("momentum_buffer");
    return names;
  }
  Factors factors(const UpdateStep& s) const override {
    return {s.lr,         s.weight_decay,   options_.alpha, 1 - options_.alpha,
            options_.eps, options_.momentum};
  }

 private:
  bool has_mean() const { return options_.momentum > 0; }

  Options options_;
};

using Rmsprop = OptimizerOf<RmspropRule>;

}  // namespace tessera::optim
