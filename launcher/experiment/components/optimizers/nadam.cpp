#include "nn/optim/nadam.h"
#include "launcher/experiment/components/optimizers/adamw_options.h"

namespace tessera::experiment::optimizers {
namespace {

class NAdamOptions final : public OptionsOf<NAdamOptions, optim::NAdamRule> {
 public:
  void visit(FieldVisitor& v) override {
    visit_adam(options_, v);
    v("momentum_decay", options_.momentum_decay,
      "how fast the momentum grows to beta1; 0: it stays at half of it", at_least(0).in_f32());
    v("decoupled_weight_decay", options_.decoupled_weight_decay,
      "whether weight decay goes past the gradient");
  }
};

class NAdamSection final : public OneRuleSection<NAdamOptions> {
 public:
  NAdamSection() : OneRuleSection({"nadam", Decay::of_gradient, 2e-3}) {}
};

}  // namespace

Option nadam() { return option<NAdamSection>("nadam", "Adam with the momentum of Nesterov"); }

}  // namespace tessera::experiment::optimizers
