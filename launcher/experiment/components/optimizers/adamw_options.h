// AdamW's options, for sections that have it.
#pragma once

#include "launcher/experiment/components/optimizers/one_rule.h"
#include "nn/optim/adamw.h"

namespace tessera::experiment::optimizers {

// Of an options struct with beta1 and beta2, and of one with eps as well.
template <class Options>
void visit_betas(Options& options, FieldVisitor& v) {
  v("beta1", options.beta1, "decay of the gradient's mean", at_least_and_below(0, 1).in_f32());
  v("beta2", options.beta2, "decay of the squared gradient's mean",
    at_least_and_below(0, 1).in_f32());
}
template <class Options>
void visit_adam(Options& options, FieldVisitor& v) {
  visit_betas(options, v);
  v("eps", options.eps, "added to the denominator", greater_than(0).in_f32());
}

class AdamWOptions final : public OptionsOf<AdamWOptions, optim::AdamWRule> {
 public:
  AdamWOptions() { options_.beta2 = 0.95; }
  void visit(FieldVisitor& v) override {
    visit_adam(options_, v);
    v("amsgrad", options_.amsgrad, "divide by the largest mean of squares so far");
  }
};

}  // namespace tessera::experiment::optimizers
