#include "nn/optim/lbfgs.h"

#include "launcher/experiment/components/components.h"
#include "nn/optim/groups.h"

namespace tessera::experiment::optimizers {
namespace {

// Of the common keys it has the rate alone: there are no clipped, decayed or skipped gradients, no
// groups and no averages.
class LbfgsSection final : public OptimSection {
 public:
  LbfgsSection() {
    lr = 1;
    clip_norm = 0;
  }

  void visit(FieldVisitor& v) override {
    v("lr", lr, "how far an iteration goes along its direction; or where its search begins",
      greater_than(0).in_f32());
    v("max_iter", options_.max_iter, "iterations of a step, with an evaluation of its batch each",
      in_range(1, 1e6));
    v("max_eval", options_.max_eval,
      "evaluations of a step, its searches' among them; null: 1.25 max_iter", in_range(1, 1e6));
    v("tolerance_grad", options_.tolerance_grad,
      "a step ends where no element of the gradient is larger", at_least(0));
    v("tolerance_change", options_.tolerance_change,
      "a step ends where neither the loss nor an element changes by more", at_least(0));
    v("history_size", options_.history_size,
      "iterations that the direction follows from; two arrays as large as the parameters for each",
      in_range(1, 10000));
    v("line_search", options_.line_search,
      "none: as far as lr says; strong_wolfe: until loss and slope have fallen enough");
  }
  void check() const override {}
  bool asks_for_loss() const override { return true; }
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override {
    return std::make_unique<optim::Lbfgs>(optim::groups_of(module, {}), options_);
  }

 private:
  optim::LbfgsRule::Options options_{.history_size = 10,
                                     .line_search = optim::LineSearch::strong_wolfe};
};

}  // namespace

Option lbfgs() {
  return option<LbfgsSection>("lbfgs",
                              "steps by an inverse of the Hessian, from several evaluations each");
}

}  // namespace tessera::experiment::optimizers
