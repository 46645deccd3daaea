// AdamW's options, for sections that have it.
#pragma once

#include "launcher/experiment/components/rule_options.h"
#include "nn/optim/adamw.h"

namespace tessera::experiment::optimizers {

class AdamWOptions final : public RuleOptions {
 public:
  void visit(FieldVisitor& v) override {
    v("beta1", options_.beta1, "decay of the gradient's mean", at_least_and_below(0, 1).in_f32());
    v("beta2", options_.beta2, "decay of the squared gradient's mean",
      at_least_and_below(0, 1).in_f32());
    v("eps", options_.eps, "added to the denominator", greater_than(0).in_f32());
  }
  std::unique_ptr<RuleOptions> clone() const override {
    return std::make_unique<AdamWOptions>(*this);
  }
  optim::RulePtr rule(const std::string&) const override {
    return std::make_shared<optim::AdamWRule>(options_);
  }

 private:
  optim::AdamWRule::Options options_{.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
};

}  // namespace tessera::experiment::optimizers
