#include "nn/optim/adagrad.h"
#include "launcher/experiment/components/optimizers/one_rule.h"

namespace tessera::experiment::optimizers {
namespace {

class AdagradOptions final : public OptionsOf<AdagradOptions, optim::AdagradRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("lr_decay", options_.lr_decay, "step t has the rate lr / (1 + (t - 1) lr_decay)",
      at_least(0).in_f32());
    v("initial_accumulator_value", options_.initial_accumulator_value,
      "what the sum of squares starts at", at_least(0).in_f32());
    v("eps", options_.eps, "added to the denominator", greater_than(0).in_f32());
  }
};

class AdagradSection final : public OneRuleSection<AdagradOptions> {
 public:
  AdagradSection() : OneRuleSection({"adagrad", Decay::of_gradient, 1e-2}) {}
};

}  // namespace

Option adagrad() {
  return option<AdagradSection>("adagrad", "the gradient over the root of the sum of its squares");
}

}  // namespace tessera::experiment::optimizers
