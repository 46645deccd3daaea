#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class PolynomialSection final : public WarmSection {
 public:
  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("total_iters", total_iters_, "steps of the fall; null: all", at_least(1));
    v("power", power_, "1: a line; 2: a parabola", greater_than(0));
  }

 protected:
  double warm_lr_at(int64_t step, int64_t steps, double lr) const override {
    return optim::PolynomialSchedule{lr, length_of(total_iters_, steps), power_}.at(step);
  }

 private:
  std::optional<int64_t> total_iters_;
  double power_ = 1;
};

}  // namespace

Option polynomial() {
  return option<PolynomialSection>("polynomial",
                                   "the rate falls to 0 by a power of what is left of the run");
}

}  // namespace tessera::experiment::schedules
