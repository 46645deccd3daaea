#include "launcher/experiment/components/components.h"
#include "nn/optim/schedule.h"

namespace tessera::experiment::schedules {
namespace {

class OneCycleSection final : public ScheduleSection {
 public:
  void visit(FieldVisitor& v) override {
    v("pct_start", pct_start_, "share of the steps in which the rate rises", in_range(0, 1));
    v("anneal_strategy", anneal_, "the shape of the ways up and down");
    v("div_factor", div_factor_, "the rate over the first one", at_least(1));
    v("final_div_factor", final_div_factor_, "the first rate over the last one", at_least(1));
    v("three_phase", three_phase_,
      "fall as fast as it rose, to the first rate, and then on to the last one");
  }
  void check() const override {
    if (three_phase_ && pct_start_ > 0.5) {
      throw ConfigError("schedule.pct_start: of three phases, the first is at most half: 0.5");
    }
  }
  double lr_at(int64_t step, int64_t steps, double lr) const override {
    return optim::OneCycleSchedule{
        lr, steps, pct_start_, anneal_, div_factor_, final_div_factor_, three_phase_}
        .at(step);
  }

 private:
  double pct_start_ = 0.3;
  optim::Anneal anneal_ = optim::Anneal::cos;
  double div_factor_ = 25;
  double final_div_factor_ = 1e4;
  bool three_phase_ = false;
};

}  // namespace

Option one_cycle() {
  return option<OneCycleSection>("one_cycle", "up from a small rate, and down to a smaller one");
}

}  // namespace tessera::experiment::schedules
