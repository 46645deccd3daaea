#include "launcher/experiment/components/components.h"
#include "nn/optim/schedule.h"

namespace tessera::experiment::schedules {
namespace {

class CosineSection final : public ScheduleSection {
 public:
  void visit(FieldVisitor& v) override {
    v("warmup", warmup_, "steps of linear rise at the start", at_least(0));
    v("final_fraction", final_fraction_, "what is left of the learning rate at the end",
      in_range(0, 1));
  }
  double lr_at(int64_t step, int64_t steps, double lr) const override {
    return optim::CosineSchedule{lr, warmup_, steps, final_fraction_}.at(step);
  }

 private:
  int64_t warmup_ = 20;
  double final_fraction_ = 0.1;
};

}  // namespace

Option cosine() { return option<CosineSection>("cosine", "linear warm-up, then half a cosine"); }

}  // namespace tessera::experiment::schedules
