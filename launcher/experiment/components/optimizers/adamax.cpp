#include "nn/optim/adamax.h"
#include "launcher/experiment/components/optimizers/one_rule.h"

namespace tessera::experiment::optimizers {
namespace {

class AdamaxOptions final : public OptionsOf<AdamaxOptions, optim::AdamaxRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("beta1", options_.beta1, "decay of the gradient's mean", at_least_and_below(0, 1).in_f32());
    v("beta2", options_.beta2, "decay of the gradient's largest size",
      at_least_and_below(0, 1).in_f32());
    v("eps", options_.eps, "added to the gradient's size", greater_than(0).in_f32());
  }
};

class AdamaxSection final : public OneRuleSection<AdamaxOptions> {
 public:
  AdamaxSection() : OneRuleSection({"adamax", Decay::of_gradient, 2e-3}) {}
};

}  // namespace

Option adamax() {
  return option<AdamaxSection>("adamax",
                               "Adam by the largest gradient in place of the mean square");
}

}  // namespace tessera::experiment::optimizers
