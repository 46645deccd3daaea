// Adadelta.
#pragma once

#include "nn/optim/optimizer.h"
#include "nn/optim/option_checks.h"

namespace tessera::optim {

// Steps as large as the last ones were (Zeiler 2012), as torch.optim.Adadelta: weight decay is
// added to the gradient, and a rate of 1 is the paper's.
class AdadeltaRule final : public ElementwiseRule {
 public:
  struct Options {
    double rho = 0.9;  // what stays of the mean squares in each step
    double eps = 1e-6;
  };
  explicit AdadeltaRule(Options options) : options_(options) {
    check_decay("Adadelta", "a rho", options.rho);
    check_eps("Adadelta", options.eps);
  }
  std::string describe() const override {
    return fmt::format("adadelta, rho {}, eps {}", options_.rho, options_.eps);
  }

 protected:
  std::string_view formula() const override { return "adadelta"; }
  std::vector<std::string> state_names() const override { return {"square_avg", "acc_delta"}; }
  Factors factors(const UpdateStep& s) const override {
    return {s.lr, s.weight_decay, options_.rho, 1 - options_.rho, options_.eps};
  }

 private:
  Options options_;
};

using Adadelta = OptimizerOf<AdadeltaRule>;

}  // namespace tessera::optim
