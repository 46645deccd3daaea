#include "launcher/experiment/components/components.h"
#include "nn/optim/schedule.h"

namespace tessera::experiment::schedules {
namespace {

class CyclicSection final : public ScheduleSection {
 public:
  void visit(FieldVisitor& v) override {
    v("base_fraction", base_fraction_, "the lowest rate, as a share of the highest",
      in_range(0, 1));
    v("step_size_up", step_size_up_, "steps from the lowest rate to the highest", at_least(1));
    v("step_size_down", step_size_down_, "steps of the way back; null: as many", at_least(1));
    v("mode", mode_,
      "triangular: cycles are alike; triangular2: each is half as high as the one before; "
      "exp_range: they shrink by gamma with every step");
    v("gamma", gamma_, "of exp_range", in_range(0, 1));
  }
  void check() const override {
    if (gamma_ == 1 || mode_ == optim::CycleMode::exp_range) return;
    throw ConfigError(fmt::format("schedule.gamma: it is of mode: exp_range, got {}", name(mode_)));
  }
  double lr_at(int64_t step, int64_t, double lr) const override {
    return optim::CyclicSchedule{lr, base_fraction_, step_size_up_, step_size_down_, mode_, gamma_}
        .at(step);
  }

 private:
  double base_fraction_ = 0.1;
  int64_t step_size_up_ = 2000;
  std::optional<int64_t> step_size_down_;
  optim::CycleMode mode_ = optim::CycleMode::triangular;
  double gamma_ = 1;
};

}  // namespace

Option cyclic() { return option<CyclicSection>("cyclic", "up and down in lines, over and over"); }

}  // namespace tessera::experiment::schedules
