// RAdam.
#pragma once

#include "nn/optim/adam.h"

namespace tessera::optim {

// Adam that follows the mean gradient alone until the mean of squares is known well enough, and
// takes smaller steps as long as it is not known well (Liu et al. 2020), as torch.optim.RAdam.
class RAdamRule final : public ElementwiseRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    bool decoupled_weight_decay = false;  // else it is added to the gradient
  };
  explicit RAdamRule(Options options) : options_(options) {
    check_betas("RAdam", options.beta1, options.beta2);
    check_eps("RAdam", options.eps);
  }
  std::string describe() const override {
    return fmt::format("radam, betas {} and {}, eps {}{}", options_.beta1, options_.beta2,
                       options_.eps,
                       options_.decoupled_weight_decay ? ", decoupled weight decay" : "");
  }

 protected:
  std::string_view formula() const override { return "adam"; }
  std::vector<std::string> state_names() const override { return {"exp_avg", "exp_avg_sq"}; }
  Factors factors(const UpdateStep& s) const override {
    auto t = static_cast<double>(s.step);
    double power2 = std::pow(options_.beta2, t);
    double longest = 2 / (1 - options_.beta2) - 1;
    // How many squares the mean is worth.
    double length = longest - 2 * t * power2 / (1 - power2);
    AdamStep step{.of_mean = s.lr / (1 - std::pow(options_.beta1, t)),
                  .decoupled = options_.decoupled_weight_decay};
    if (length > 5) {
      double variance =
          (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length);
      step.root = 1;
      step.eps = options_.eps;
      step.of_mean *= std::sqrt(variance) * std::sqrt(1 - power2);
    }
    return adam_factors(s, options_.beta1, options_.beta2, step);
  }

 private:
  Options options_;
};

using RAdam = OptimizerOf<RAdamRule>;

}  // namespace tessera::optim
