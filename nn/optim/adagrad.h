// Adagrad.
#pragma once

#include "nn/optim/optimizer.h"
#include "nn/optim/option_checks.h"

namespace tessera::optim {

// Gradients over the root of the sum of their squares (Duchi et al. 2011), as torch.optim.Adagrad:
// weight decay is added to the gradient.
class AdagradRule final : public ElementwiseRule {
 public:
  struct Options {
    double lr_decay = 0;                   // step t has the rate lr / (1 + (t - 1) lr_decay)
    double initial_accumulator_value = 0;  // of the sum
    double eps = 1e-10;
  };
  explicit AdagradRule(Options options) : options_(options) {
    check_not_negative("Adagrad", "an lr_decay", options.lr_decay);
    check_not_negative("Adagrad", "an initial_accumulator_value",
                       options.initial_accumulator_value);
    check_eps("Adagrad", options.eps);
  }
  std::string describe() const override {
    return fmt::format("adagrad, lr_decay {}, initial_accumulator_value {}, eps {}",
                       options_.lr_decay, options_.initial_accumulator_value, options_.eps);
  }

 protected:
  std::string_view formula() const override { return "adagrad"; }
  std::vector<std::string> state_names() const override { return {"sum"}; }
  Factors factors(const UpdateStep& s) const override {
    return {s.lr / (1 + static_cast<double>(s.step - 1) * options_.lr_decay), s.weight_decay,
            options_.eps, s.step == 1 ? options_.initial_accumulator_value : 0};
  }

 private:
  Options options_;
};

using Adagrad = OptimizerOf<AdagradRule>;

}  // namespace tessera::optim
