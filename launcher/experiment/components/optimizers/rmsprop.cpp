#include "nn/optim/rmsprop.h"
#include "launcher/experiment/components/optimizers/one_rule.h"

namespace tessera::experiment::optimizers {
namespace {

class RmspropOptions final : public OptionsOf<RmspropOptions, optim::RmspropRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("alpha", options_.alpha, "decay of the squared gradient's mean",
      at_least_and_below(0, 1).in_f32());
    v("eps", options_.eps, "added to the denominator", greater_than(0).in_f32());
    v("momentum", options_.momentum, "what stays of the last steps in each step; 0: nothing",
      at_least_and_below(0, 1).in_f32());
    v("centered", options_.centered, "divide by the deviation from the gradient's mean");
  }
};

class RmspropSection final : public OneRuleSection<RmspropOptions> {
 public:
  RmspropSection() : OneRuleSection({"rmsprop", Decay::of_gradient, 1e-2}) {}
};

}  // namespace

Option rmsprop() {
  return option<RmspropSection>("rmsprop", "the gradient over the root of its mean square");
}

}  // namespace tessera::experiment::optimizers
