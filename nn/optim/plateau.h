// A learning rate that falls when the loss does not.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "core/words.h"

namespace tessera::optim {

// What a loss has to be below, to be better than the best one: best (1 - threshold), or
// best - threshold.
enum class Threshold { rel, abs };
constexpr auto words_of(Threshold) {
  return std::array{Word{Threshold::rel, "rel"}, Word{Threshold::abs, "abs"}};
}

// The rate is multiplied by `factor` when more than `patience` evaluations in a row were no better
// than the best one, as torch.optim.lr_scheduler.ReduceLROnPlateau has it in its mode min. It is no
// function of the step, as the schedules of schedule.h are: what it follows from is state. Ranks
// that hear of the same losses have the same rate.
//
//   PlateauSchedule schedule(0.1, {.patience = 3});
//   ... step.run(schedule.rate(), loss) ...
//   schedule.observe(step.evaluate(...));
class PlateauSchedule {
 public:
  struct Options {
    double factor = 0.1;    // in [0, 1)
    int64_t patience = 10;  // evaluations that need be no better
    double threshold = 1e-4;
    Threshold threshold_mode = Threshold::rel;
    int64_t cooldown = 0;  // evaluations after a fall that do not count as worse
    double min_lr = 0;
    double eps = 1e-8;  // a smaller fall is none
  };
  PlateauSchedule(double lr, Options options);

  // Of the steps until the next evaluation.
  double rate() const { return rate_; }
  // The loss of an evaluation. One that is not finite is no better.
  void observe(double loss);

  // What it keeps, in one line of text, for a checkpoint; restore takes it, and scales the rate
  // where that was of another lr. An Error where it is no such text.
  std::string state() const;
  void restore(const std::string& text);

 private:
  bool is_better(double loss) const;

  Options options_;
  double lr_;  // that it began with
  double rate_;
  double best_ = std::numeric_limits<double>::infinity();
  int64_t bad_ = 0;       // evaluations since the best one, or the last fall
  int64_t cooldown_ = 0;  // evaluations that are left of it
};

}  // namespace tessera::optim
