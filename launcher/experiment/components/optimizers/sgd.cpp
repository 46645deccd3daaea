#include "nn/optim/sgd.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::optimizers {
namespace {

class SgdOptions final : public RuleOptions {
 public:
  void visit(FieldVisitor& v) override {
    v("momentum", options_.momentum, "what stays of the gradients' mean in each step; 0: no mean",
      at_least_and_below(0, 1).in_f32());
    v("dampening", options_.dampening, "what a gradient lacks when it enters the mean",
      in_range(0, 1).in_f32());
    v("nesterov", options_.nesterov,
      "look ahead along the mean; with a momentum and without dampening");
  }
  std::unique_ptr<RuleOptions> clone() const override {
    return std::make_unique<SgdOptions>(*this);
  }
  optim::RulePtr rule(const std::string& place) const override {
    if (options_.nesterov && options_.momentum == 0) {
      throw ConfigError(place + "nesterov: true needs a momentum above 0");
    }
    if (options_.nesterov && options_.dampening != 0) {
      throw ConfigError(fmt::format("{}nesterov: true needs a dampening of 0, got {}", place,
                                    options_.dampening));
    }
    return std::make_shared<optim::SgdRule>(options_);
  }

 private:
  optim::SgdRule::Options options_;
};

class SgdSection final : public OptimSection {
 public:
  void visit(FieldVisitor& v) override {
    OptimSection::visit(v);
    v("weight_decay", weight_decay_,
      "share of the parameter that is added to its gradient; of tensors with two dims or more",
      at_least(0).in_f32());
    rule_.visit(v);
  }
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override {
    return optimizer_of(module);
  }

 protected:
  std::vector<SectionRule> rules() const override { return {{"sgd", &rule_, lr, weight_decay_}}; }

 private:
  double weight_decay_ = 0;
  SgdOptions rule_;
};

}  // namespace

Option sgd() {
  return option<SgdSection>("sgd", "stochastic gradient descent, with a momentum if wanted");
}

}  // namespace tessera::experiment::optimizers
