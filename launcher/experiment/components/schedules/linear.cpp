#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class LinearSection final : public WarmSection {
 public:
  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("start_factor", start_factor_, "share of the rate at the start", in_range(0, 1));
    v("end_factor", end_factor_, "share of the rate at the end", in_range(0, 1));
    v("total_iters", total_iters_, "steps from the one to the other; null: all", at_least(1));
  }

 protected:
  double warm_lr_at(int64_t step, int64_t steps, double lr) const override {
    return optim::LinearSchedule{lr, start_factor_, end_factor_, length_of(total_iters_, steps)}.at(
        step);
  }

 private:
  double start_factor_ = 1;
  double end_factor_ = 0;
  std::optional<int64_t> total_iters_;
};

}  // namespace

Option linear() {
  return option<LinearSection>("linear", "a line from one share of the rate to another");
}

}  // namespace tessera::experiment::schedules
