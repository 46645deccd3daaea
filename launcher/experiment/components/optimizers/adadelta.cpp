#include "nn/optim/adadelta.h"
#include "launcher/experiment/components/optimizers/one_rule.h"

namespace tessera::experiment::optimizers {
namespace {

class AdadeltaOptions final : public OptionsOf<AdadeltaOptions, optim::AdadeltaRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("rho", options_.rho, "decay of the means of squared gradients and steps",
      at_least_and_below(0, 1).in_f32());
    v("eps", options_.eps, "added to both means", greater_than(0).in_f32());
  }
};

class AdadeltaSection final : public OneRuleSection<AdadeltaOptions> {
 public:
  AdadeltaSection() : OneRuleSection({"adadelta", Decay::of_gradient, 1.0}) {}
};

}  // namespace

Option adadelta() {
  return option<AdadeltaSection>("adadelta",
                                 "steps as large as the last ones were; lr: 1 is the paper's");
}

}  // namespace tessera::experiment::optimizers
