// Schedules that may begin with a warm-up.
#pragma once

#include <algorithm>

#include "launcher/experiment/components/components.h"
#include "nn/optim/schedule.h"

namespace tessera::experiment::schedules {

// A linear rise to lr over `warmup` steps, and then a schedule for the rest of the run.
class WarmSection : public ScheduleSection {
 public:
  explicit WarmSection(int64_t warmup = 0) : warmup_(warmup) {}

  void visit(FieldVisitor& v) override {
    v("warmup", warmup_, "steps of linear rise at the start", at_least(0));
  }
  double lr_at(int64_t step, int64_t steps, double lr) const final {
    if (step < warmup_) return lr * static_cast<double>(step + 1) / static_cast<double>(warmup_);
    return warm_lr_at(step - warmup_, std::max<int64_t>(steps - warmup_, 1), lr);
  }

 protected:
  // Of a step, counted from the end of the rise, as `steps` are.
  virtual double warm_lr_at(int64_t step, int64_t steps, double lr) const = 0;
  int64_t warmup() const { return warmup_; }

 private:
  int64_t warmup_;
};

// Steps until an end that the last one of `steps` reaches, unless `wanted` says another.
inline int64_t length_of(std::optional<int64_t> wanted, int64_t steps) {
  return wanted.value_or(std::max<int64_t>(steps - 1, 1));
}

}  // namespace tessera::experiment::schedules
