#include "launcher/experiment/components/optimizers/one_rule.h"
#include "nn/optim/schedule_free.h"

namespace tessera::experiment::optimizers {
namespace {

class AdamWScheduleFreeOptions final
    : public OptionsOf<AdamWScheduleFreeOptions, optim::AdamWScheduleFreeRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("beta1", options_.beta1, "the average's share in the point where gradients are taken",
      at_least_and_below(0, 1).in_f32());
    v("beta2", options_.beta2, "decay of the squared gradient's mean",
      at_least_and_below(0, 1).in_f32());
    v("eps", options_.eps, "added to the denominator", greater_than(0).in_f32());
    v("warmup_steps", options_.warmup_steps, "updates of linear rise of the rate at the start",
      at_least(0));
  }
};

class AdamWScheduleFreeSection final : public OneRuleSection<AdamWScheduleFreeOptions> {
 public:
  AdamWScheduleFreeSection() : OneRuleSection({"adamw_schedule_free", Decay::decoupled, 2.5e-3}) {}
  bool replaces_schedule() const override { return true; }
};

}  // namespace

Option adamw_schedule_free() {
  return option<AdamWScheduleFreeSection>("adamw_schedule_free",
                                          "AdamW whose average of steps needs no schedule");
}

}  // namespace tessera::experiment::optimizers
