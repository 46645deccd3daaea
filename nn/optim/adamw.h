// AdamW.
#pragma once

#include <cmath>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
class AdamWRule final : public ElementwiseRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
  };
  explicit AdamWRule(Options options) : options_(options) {
    auto is_beta = [](double beta) { return beta >= 0 && beta < 1; };
    TESSERA_CHECK(is_beta(options.beta1) && is_beta(options.beta2),
                  "[AdamW] expected betas in [0, 1), got {} and {}", options.beta1, options.beta2);
    TESSERA_CHECK(options.eps > 0, "[AdamW] expected an eps above 0, got {}", options.eps);
  }
  std::string describe() const override {
    return fmt::format("adamw, betas {} and {}, eps {}", options_.beta1, options_.beta2,
                       options_.eps);
  }

 protected:
  std::string_view formula() const override { return "adamw"; }
  std::vector<std::string> state_names() const override { return {"exp_avg", "exp_avg_sq"}; }
  Factors factors(const UpdateStep& s) const override {
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
