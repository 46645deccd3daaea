#include "nn/optim/adam.h"
#include "launcher/experiment/components/optimizers/adamw_options.h"

namespace tessera::experiment::optimizers {
namespace {

class AdamOptions final : public OptionsOf<AdamOptions, optim::AdamRule> {
 public:
  void visit(FieldVisitor& v) override {
    visit_adam(options_, v);
    v("amsgrad", options_.amsgrad, "divide by the largest mean of squares so far");
  }
};

class AdamSection final : public OneRuleSection<AdamOptions> {
 public:
  AdamSection() : OneRuleSection({"adam", Decay::of_gradient}) {}
};

}  // namespace

Option adam() { return option<AdamSection>("adam", "means of the gradient and of its square"); }

}  // namespace tessera::experiment::optimizers
