// Adamax.
#pragma once

#include <cmath>

#include "nn/optim/optimizer.h"
#include "nn/optim/option_checks.h"

namespace tessera::optim {

// Adam by a decaying maximum of the gradient (Kingma and Ba 2015), as torch.optim.Adamax: weight
// decay is added to the gradient.
class AdamaxRule final : public ElementwiseRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
  };
  explicit AdamaxRule(Options options) : options_(options) {
    check_betas("Adamax", options.beta1, options.beta2);
    check_eps("Adamax", options.eps);
  }
  std::string describe() const override {
    return fmt::format("adamax, betas {} and {}, eps {}", options_.beta1, options_.beta2,
                       options_.eps);
  }

 protected:
  std::string_view formula() const override { return "adamax"; }
  std::vector<std::string> state_names() const override { return {"exp_avg", "exp_inf"}; }
  Factors factors(const UpdateStep& s) const override {
    double correction = 1 - std::pow(options_.beta1, static_cast<double>(s.step));
    return {s.lr / correction,  s.weight_decay, options_.beta1,
            1 - options_.beta1, options_.beta2, options_.eps};
  }

 private:
  Options options_;
};

using Adamax = OptimizerOf<AdamaxRule>;

}  // namespace tessera::optim
