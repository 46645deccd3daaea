// Learning rates that change with the step: with how far a run is, whether or not all its steps
// updated the parameters. A step that is skipped because it is not finite moves the schedule on, as
// it does the position in the data, so that the rate is at its end with the last step; what is
// counted by updates alone is the optimizer's own (UpdateStep::step).
//
// Each is a function of the step, counted from 0, and stays at its end. Those that
// torch.optim.lr_scheduler has are its values, with its names and defaults, lr being the highest
// rate; what it gives as a least rate is a share of lr here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/words.h"

namespace tessera::optim {

// Rises linearly over the first `warmup` steps to lr, then falls along half a cosine to
// lr * final_fraction at the last step (Loshchilov and Hutter 2017).
struct CosineSchedule {
  double lr = 1e-3;
  int64_t warmup = 0;
  int64_t steps = 1;
  double final_fraction = 0;

  double at(int64_t step) const;
};

// A line from lr * start_factor to lr * end_factor, where it is at step total_iters.
struct LinearSchedule {
  double lr = 1e-3;
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  int64_t total_iters = 5;

  double at(int64_t step) const;
};

// lr times gamma for every step_size steps.
struct StepSchedule {
  double lr = 1e-3;
  int64_t step_size = 1;
  double gamma = 0.1;

  double at(int64_t step) const;
};

// lr times gamma for every milestone that has been reached. They ascend.
struct MultiStepSchedule {
  double lr = 1e-3;
  std::vector<int64_t> milestones = {};
  double gamma = 0.1;

  double at(int64_t step) const;
};

// lr times gamma for every step.
struct ExponentialSchedule {
  double lr = 1e-3;
  double gamma = 1;

  double at(int64_t step) const;
};

// lr (1 - step / total_iters)^power, and 0 from there.
struct PolynomialSchedule {
  double lr = 1e-3;
  int64_t total_iters = 5;
  double power = 1;

  double at(int64_t step) const;
};

// Half a cosine from lr to lr * final_fraction over t_0 steps, and again over t_mult times as many,
// and so on (Loshchilov and Hutter 2017).
struct CosineRestartsSchedule {
  double lr = 1e-3;
  int64_t t_0 = 1;
  int64_t t_mult = 1;
  double final_fraction = 0;

  double at(int64_t step) const;
};

enum class Anneal { cos, linear };
constexpr auto words_of(Anneal) {
  return std::array{Word{Anneal::cos, "cos"}, Word{Anneal::linear, "linear"}};
}

// From lr / div_factor up to lr over the first pct_start of the steps, and down to
// lr / div_factor / final_div_factor at the last one; in three phases, down as fast as it rose, and
// the rest of the way afterwards (Smith and Topin 2019).
struct OneCycleSchedule {
  double lr = 1e-3;
  int64_t total_steps = 1;
  double pct_start = 0.3;
  Anneal anneal = Anneal::cos;
  double div_factor = 25;
  double final_div_factor = 1e4;
  bool three_phase = false;

  double at(int64_t step) const;
};

// How far up cycles go.
enum class CycleMode {
  triangular,   // all of them to lr
  triangular2,  // each half as far as the one before
  exp_range     // shrinking by gamma with every step
};
constexpr auto words_of(CycleMode) {
  return std::array{Word{CycleMode::triangular, "triangular"},
                    Word{CycleMode::triangular2, "triangular2"},
                    Word{CycleMode::exp_range, "exp_range"}};
}

// Up from lr * base_fraction towards lr and down again, in lines, over and over (Smith 2017).
struct CyclicSchedule {
  double lr = 1e-3;
  double base_fraction = 0.1;
  int64_t step_size_up = 2000;
  std::optional<int64_t> step_size_down = {};  // none: as many as up
  CycleMode mode = CycleMode::triangular;
  double gamma = 1;

  double at(int64_t step) const;
};

// The shape of a fall, f from 0 to 1 being how far it is: 1 - f, 1 - sqrt(f), half a cosine.
enum class Fall { linear, sqrt, cosine };
constexpr auto words_of(Fall) {
  return std::array{Word{Fall::linear, "linear"}, Word{Fall::sqrt, "sqrt"},
                    Word{Fall::cosine, "cosine"}};
}

// lr until the last `decay` steps, over which it falls to lr * final_fraction at the last one of
// `steps` (Hu et al. 2024; Hagele et al. 2024 for the root).
struct StableSchedule {
  double lr = 1e-3;
  int64_t steps = 1;
  int64_t decay = 0;
  Fall fall = Fall::linear;
  double final_fraction = 0;

  double at(int64_t step) const;
};

// lr sqrt(timescale / (timescale + step)) (Vaswani et al. 2017).
struct InverseSqrtSchedule {
  double lr = 1e-3;
  int64_t timescale = 10000;

  double at(int64_t step) const;
};

}  // namespace tessera::optim
