#include "nn/optim/adamw.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::optimizers {
namespace {

class AdamWSection final : public OptimSection {
 public:
  void visit(FieldVisitor& v) override {
    OptimSection::visit(v);
    v("weight_decay", weight_decay_, "decoupled weight decay of tensors with two dims or more",
      at_least(0).in_f32());
    v("beta1", options_.beta1, "decay of the gradient's mean", at_least_and_below(0, 1).in_f32());
    v("beta2", options_.beta2, "decay of the squared gradient's mean",
      at_least_and_below(0, 1).in_f32());
    v("eps", options_.eps, "added to the denominator", greater_than(0).in_f32());
  }
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override {
    return std::make_unique<optim::AdamW>(divided(module, weight_decay_), options_);
  }

 private:
  double weight_decay_ = 0.1;
  optim::AdamW::Options options_{.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8};
};

}  // namespace

Option adamw() { return option<AdamWSection>("adamw", "Adam with decoupled weight decay"); }

}  // namespace tessera::experiment::optimizers
