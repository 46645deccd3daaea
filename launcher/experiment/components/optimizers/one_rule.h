// Optimizer sections of one rule: their keys are the common ones and the rule's options.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launcher/experiment/components/components.h"

namespace tessera::experiment::optimizers {

// RuleOptions of an optim::...Rule whose options do not contradict each other. Own is the class
// that derives from this and visits options_.
template <class Own, class Rule>
class OptionsOf : public RuleOptions {
 public:
  std::unique_ptr<RuleOptions> clone() const override {
    return std::make_unique<Own>(static_cast<const Own&>(*this));
  }
  optim::RulePtr rule(const std::string&) const override {
    return std::make_shared<Rule>(options_);
  }

 protected:
  typename Rule::Options options_;
};

enum class Decay { decoupled, of_gradient };

// What a section has unless a config says otherwise.
struct RuleDefaults {
  const char* name;
  Decay decay;
  double lr = 1e-3;
  double weight_decay = 0;
};

template <class Options>
class OneRuleSection : public OptimSection {
 public:
  explicit OneRuleSection(const RuleDefaults& defaults)
      : defaults_(defaults), weight_decay_(defaults.weight_decay) {
    lr = defaults.lr;
  }

  void visit(FieldVisitor& v) override {
    OptimSection::visit(v);
    const char* doc = defaults_.decay == Decay::decoupled
                          ? "decoupled weight decay of tensors with two dims or more"
                          : "share of the parameter that is added to its gradient; of tensors with "
                            "two dims or more";
    v("weight_decay", weight_decay_, doc, at_least(0).in_f32());
    rule_.visit(v);
  }
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override {
    return optimizer_of(module);
  }

 protected:
  std::vector<SectionRule> rules() const override {
    return {{defaults_.name, &rule_, lr, weight_decay_}};
  }

 private:
  RuleDefaults defaults_;
  double weight_decay_;
  Options rule_;
};

}  // namespace tessera::experiment::optimizers
