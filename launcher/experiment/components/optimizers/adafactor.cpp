#include "nn/optim/adafactor.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::optimizers {
namespace {

class AdafactorOptions final : public RuleOptions {
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
  std::unique_ptr<RuleOptions> clone() const override {
    return std::make_unique<AdafactorOptions>(*this);
  }
  optim::RulePtr rule(const std::string&) const override {
    return std::make_shared<optim::AdafactorRule>(options_);
  }

 private:
  optim::AdafactorRule::Options options_;
};

class AdafactorSection final : public OptimSection {
 public:
  AdafactorSection() { lr = 1e-2; }

  void visit(FieldVisitor& v) override {
    OptimSection::visit(v);
    v("weight_decay", weight_decay_, "decoupled weight decay of tensors with two dims or more",
      at_least(0).in_f32());
    rule_.visit(v);
  }
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override {
    return optimizer_of(module);
  }

 protected:
  std::vector<SectionRule> rules() const override {
    return {{"adafactor", &rule_, lr, weight_decay_}};
  }

 private:
  double weight_decay_ = 0;
  AdafactorOptions rule_;
};

}  // namespace

Option adafactor() {
  return option<AdafactorSection>(
      "adafactor", "second moments of rows and columns; steps of a share of the parameter, lr");
}

}  // namespace tessera::experiment::optimizers
