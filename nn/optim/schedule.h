// Learning rates that change with the step: with how far a run is, whether or not all its steps
// updated the parameters. A step that is skipped because it is not finite moves the schedule on, as
// it does the position in the data, so that the rate is at its end with the last step; what is
// counted by updates alone is the optimizer's own (UpdateStep::step).
#pragma once

#include <cstdint>

namespace tessera::optim {

// Rises linearly over the first `warmup` steps to lr, then falls along half a cosine to
// lr * final_fraction at the last step (Loshchilov and Hutter 2017). Steps count from 0.
struct CosineSchedule {
  double lr = 1e-3;
  int64_t warmup = 0;
  int64_t steps = 1;
  double final_fraction = 0;

  double at(int64_t step) const;
};

}  // namespace tessera::optim
