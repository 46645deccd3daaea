#include "nn/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tessera::optim {

double CosineSchedule::at(int64_t step) const {
  if (step < warmup) return lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  int64_t span = std::max<int64_t>(steps - 1 - warmup, 1);
  double progress =
      std::clamp(static_cast<double>(step - warmup) / static_cast<double>(span), 0., 1.);
  double cosine = 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return lr * (final_fraction + (1 - final_fraction) * cosine);
}

}  // namespace tessera::optim
