#include "nn/optim/adafactor.h"
#include "launcher/experiment/components/optimizers/one_rule.h"

namespace tessera::experiment::optimizers {
namespace {

class AdafactorOptions final : public OptionsOf<AdafactorOptions, optim::AdafactorRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("beta2_decay", options_.beta2_decay,
      "the squared gradient of step t enters its mean with a weight of t^beta2_decay",
      at_most(0).in_f32());
    v("eps2", options_.eps2, "least root mean square that a parameter counts as",
      at_least(0).in_f32());
    v("clip", options_.clip, "largest root mean square of an update, before the rate",
      at_least(1).in_f32());
  }
};

class AdafactorSection final : public OneRuleSection<AdafactorOptions> {
 public:
  AdafactorSection() : OneRuleSection({"adafactor", Decay::decoupled, 1e-2}) {}
};

}  // namespace

Option adafactor() {
  return option<AdafactorSection>(
      "adafactor", "second moments of rows and columns; steps of a share of the parameter, lr");
}

}  // namespace tessera::experiment::optimizers
