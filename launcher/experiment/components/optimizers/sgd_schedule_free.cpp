#include "launcher/experiment/components/optimizers/one_rule.h"
#include "nn/optim/schedule_free.h"

namespace tessera::experiment::optimizers {
namespace {

class SgdScheduleFreeOptions final
    : public OptionsOf<SgdScheduleFreeOptions, optim::SgdScheduleFreeRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("momentum", options_.momentum, "the average's share in the point where gradients are taken",
      at_least_and_below(0, 1).in_f32());
    v("warmup_steps", options_.warmup_steps, "updates of linear rise of the rate at the start",
      at_least(0));
  }
};

class SgdScheduleFreeSection final : public OneRuleSection<SgdScheduleFreeOptions> {
 public:
  SgdScheduleFreeSection() : OneRuleSection({"sgd_schedule_free", Decay::decoupled, 1.0}) {}
  bool replaces_schedule() const override { return true; }
};

}  // namespace

Option sgd_schedule_free() {
  return option<SgdScheduleFreeSection>("sgd_schedule_free",
                                        "descent whose average of steps needs no schedule");
}

}  // namespace tessera::experiment::optimizers
