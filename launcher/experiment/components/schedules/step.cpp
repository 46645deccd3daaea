#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class StepSection final : public WarmSection {
 public:
  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("step_size", step_size_, "steps from one fall to the next", at_least(1));
    v("gamma", gamma_, "what is left of the rate after a fall", in_range(0, 1));
  }

 protected:
  double warm_lr_at(int64_t step, int64_t, double lr) const override {
    return optim::StepSchedule{lr, step_size_, gamma_}.at(step);
  }

 private:
  int64_t step_size_ = 100;
  double gamma_ = 0.1;
};

}  // namespace

Option step() { return option<StepSection>("step", "the rate falls by a factor every few steps"); }

}  // namespace tessera::experiment::schedules
