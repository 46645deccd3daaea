#include "launcher/experiment/components/components.h"
#include "launcher/experiment/components/optimizers/adamw_options.h"

namespace tessera::experiment::optimizers {
namespace {

class AdamWSection final : public OptimSection {
 public:
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
  std::vector<SectionRule> rules() const override { return {{"adamw", &rule_, lr, weight_decay_}}; }

 private:
  double weight_decay_ = 0.1;
  AdamWOptions rule_;
};

}  // namespace

Option adamw() { return option<AdamWSection>("adamw", "Adam with decoupled weight decay"); }

}  // namespace tessera::experiment::optimizers
