#include "nn/optim/radam.h"
#include "launcher/experiment/components/optimizers/adamw_options.h"

namespace tessera::experiment::optimizers {
namespace {

class RAdamOptions final : public OptionsOf<RAdamOptions, optim::RAdamRule> {
 public:
  void visit(FieldVisitor& v) override {
    visit_adam(options_, v);
    v("decoupled_weight_decay", options_.decoupled_weight_decay,
      "whether weight decay goes past the gradient");
  }
};

class RAdamSection final : public OneRuleSection<RAdamOptions> {
 public:
  RAdamSection() : OneRuleSection({"radam", Decay::of_gradient}) {}
};

}  // namespace

Option radam() {
  return option<RAdamSection>("radam", "Adam that takes small steps while its means are young");
}

}  // namespace tessera::experiment::optimizers
