#include "nn/optim/sgd.h"
#include "launcher/experiment/components/optimizers/one_rule.h"

namespace tessera::experiment::optimizers {
namespace {

class SgdOptions final : public OptionsOf<SgdOptions, optim::SgdRule> {
 public:
  void visit(FieldVisitor& v) override {
    v("momentum", options_.momentum, "what stays of the gradients' mean in each step; 0: no mean",
      at_least_and_below(0, 1).in_f32());
    v("dampening", options_.dampening, "what a gradient lacks when it enters the mean",
      in_range(0, 1).in_f32());
    v("nesterov", options_.nesterov,
      "look ahead along the mean; with a momentum and without dampening");
  }
  optim::RulePtr rule(const std::string& place) const override {
    if (options_.nesterov && options_.momentum == 0) {
      throw ConfigError(place + "nesterov: true needs a momentum above 0");
    }
    if (options_.nesterov && options_.dampening != 0) {
      throw ConfigError(fmt::format("{}nesterov: true needs a dampening of 0, got {}", place,
                                    options_.dampening));
    }
    return OptionsOf::rule(place);
  }
};

class SgdSection final : public OneRuleSection<SgdOptions> {
 public:
  SgdSection() : OneRuleSection({"sgd", Decay::of_gradient}) {}
};

}  // namespace

Option sgd() {
  return option<SgdSection>("sgd", "stochastic gradient descent, with a momentum if wanted");
}

}  // namespace tessera::experiment::optimizers
