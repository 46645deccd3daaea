#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class ExponentialSection final : public WarmSection {
 public:
  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("gamma", gamma_, "what is left of the rate after a step", in_range(0, 1));
  }

 protected:
  double warm_lr_at(int64_t step, int64_t, double lr) const override {
    return optim::ExponentialSchedule{lr, gamma_}.at(step);
  }

 private:
  double gamma_ = 0.99;
};

}  // namespace

Option exponential() {
  return option<ExponentialSection>("exponential", "the rate falls by a factor every step");
}

}  // namespace tessera::experiment::schedules
