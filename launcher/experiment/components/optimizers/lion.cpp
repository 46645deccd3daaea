#include "nn/optim/lion.h"
#include "launcher/experiment/components/optimizers/one_rule.h"

namespace tessera::experiment::optimizers {
namespace {

class LionOptions final : public OptionsOf<LionOptions, optim::LionRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("beta1", options_.beta1, "the mean's share in a step", at_least_and_below(0, 1).in_f32());
    v("beta2", options_.beta2, "decay of the gradient's mean", at_least_and_below(0, 1).in_f32());
  }
};

class LionSection final : public OneRuleSection<LionOptions> {
 public:
  LionSection() : OneRuleSection({"lion", Decay::decoupled, 1e-4}) {}
};

}  // namespace

Option lion() {
  return option<LionSection>("lion", "steps of one size, by the sign of the mean gradient");
}

}  // namespace tessera::experiment::optimizers
