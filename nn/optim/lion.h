// Lion.
#pragma once

#include "nn/optim/optimizer.h"
#include "nn/optim/option_checks.h"

namespace tessera::optim {

// Steps by the sign of beta1 m + (1 - beta1) g, where the mean m moves by beta2 afterwards; weight
// decay is decoupled (Chen et al. 2023). Steps of every element are as large as the rate, so that
// is three to ten times smaller than AdamW's, and the decay as much larger.
class LionRule final : public ElementwiseRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.99;
  };
  explicit LionRule(Options options) : options_(options) {
    check_betas("Lion", options.beta1, options.beta2);
  }
  std::string describe() const override {
    return fmt::format("lion, betas {} and {}", options_.beta1, options_.beta2);
  }

 protected:
  std::string_view formula() const override { return "lion"; }
  std::vector<std::string> state_names() const override { return {"exp_avg"}; }
  Factors factors(const UpdateStep& s) const override {
    return {1 - s.lr * s.weight_decay, s.lr,           options_.beta1,
            1 - options_.beta1,        options_.beta2, 1 - options_.beta2};
  }

 private:
  Options options_;
};

using Lion = OptimizerOf<LionRule>;

}  // namespace tessera::optim
