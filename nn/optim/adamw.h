// AdamW.
#pragma once

#include <cmath>

#include "nn/optim/adam.h"

namespace tessera::optim {

// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
class AdamWRule final : public ElementwiseRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    bool amsgrad = false;  // by the largest mean of squares so far (Reddi et al. 2018)
  };
  explicit AdamWRule(Options options) : options_(options) {
    check_betas("AdamW", options.beta1, options.beta2);
    check_eps("AdamW", options.eps);
  }
  std::string describe() const override {
    return fmt::format("adamw, betas {} and {}, eps {}{}", options_.beta1, options_.beta2,
                       options_.eps, options_.amsgrad ? ", amsgrad" : "");
  }

 protected:
  std::string_view formula() const override { return options_.amsgrad ? "adam_amsgrad" : "adamw"; }
  std::vector<std::string> state_names() const override {
    std::vector<std::string> names{"exp_avg", "exp_avg_sq"};
    if (options_.amsgrad) names.emplace_back("max_exp_avg_sq");
    return names;
  }
  Factors factors(const UpdateStep& s) const override {
    if (options_.amsgrad) {
      AdamStep step = corrected_step(s, options_.beta1, options_.beta2, options_.eps);
      step.decoupled = true;
      return adam_factors(s, options_.beta1, options_.beta2, step);
    }
    auto t = static_cast<double>(s.step);
    double correction1 = 1 - std::pow(options_.beta1, t);
    double correction2 = 1 - std::pow(options_.beta2, t);
    return {1 - s.lr * s.weight_decay,
            s.lr / correction1,
            1 / std::sqrt(correction2),
            options_.eps,
            options_.beta1,
            1 - options_.beta1,
            options_.beta2,
            1 - options_.beta2};
  }

 private:
  Options options_;
};

using AdamW = OptimizerOf<AdamWRule>;

}  // namespace tessera::optim
