// Adam.
#pragma once

#include <cmath>

#include "nn/optim/optimizer.h"
#include "nn/optim/option_checks.h"

namespace tessera::optim {

// What a step of the formula "adam" does with the means; the defaults are those of steps whose
// denominator is 1 and which do not look at the gradient itself.
struct AdamStep {
  double root = 0;  // of the denominator: the factor of the root
  double eps = 1;   // and what is added to it
  double of_gradient = 0;
  double of_mean = 0;
  bool decoupled = false;  // the weight decay: not through the gradient
};

inline ElementwiseRule::Factors adam_factors(const UpdateStep& s, double beta1, double beta2,
                                             const AdamStep& step) {
  return {step.decoupled ? 1 - s.lr * s.weight_decay : 1,
          step.decoupled ? 0 : s.weight_decay,
          beta1,
          1 - beta1,
          beta2,
          1 - beta2,
          step.root,
          step.eps,
          step.of_gradient,
          step.of_mean};
}

// Steps of the means' own sizes, corrected for having begun at 0.
inline AdamStep corrected_step(const UpdateStep& s, double beta1, double beta2, double eps) {
  auto t = static_cast<double>(s.step);
  return {.root = 1 / std::sqrt(1 - std::pow(beta2, t)),
          .eps = eps,
          .of_mean = s.lr / (1 - std::pow(beta1, t))};
}

// As torch.optim.Adam (Kingma and Ba 2015): weight decay is added to the gradient.
class AdamRule final : public ElementwiseRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    bool amsgrad = false;  // by the largest mean of squares so far (Reddi et al. 2018)
  };
  explicit AdamRule(Options options) : options_(options) {
    check_betas("Adam", options.beta1, options.beta2);
    check_eps("Adam", options.eps);
  }
  std::string describe() const override {
    return fmt::format("adam, betas {} and {}, eps {}{}", options_.beta1, options_.beta2,
                       options_.eps, options_.amsgrad ? ", amsgrad" : "");
  }

 protected:
  std::string_view formula() const override { return options_.amsgrad ? "adam_amsgrad" : "adam"; }
  std::vector<std::string> state_names() const override {
    std::vector<std::string> names{"exp_avg", "exp_avg_sq"};
    if (options_.amsgrad) names.emplace_back("max_exp_avg_sq");
    return names;
  }
  Factors factors(const UpdateStep& s) const override {
    AdamStep step = corrected_step(s, options_.beta1, options_.beta2, options_.eps);
    return adam_factors(s, options_.beta1, options_.beta2, step);
  }

 private:
  Options options_;
};

using Adam = OptimizerOf<AdamRule>;

}  // namespace tessera::optim
