#include "distributed/loss_scale.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace tessera {
namespace {

bool is_scale(double value) {
  auto narrow = static_cast<float>(value);
  return std::isfinite(narrow) && narrow >= std::numeric_limits<float>::min();
}

}  // namespace

LossScale::LossScale(const LossScaleOptions& options) : options_(options) {
  TESSERA_CHECK(is_scale(options.init_scale),
                "[TrainStep] expected a loss scale above 0 that f32 holds, got {}",
                options.init_scale);
  TESSERA_CHECK(std::isfinite(options.growth_factor) && options.growth_factor > 1,
                "[TrainStep] expected a growth_factor above 1, got {}", options.growth_factor);
  TESSERA_CHECK(options.backoff_factor > 0 && options.backoff_factor < 1,
                "[TrainStep] expected a backoff_factor between 0 and 1, got {}",
                options.backoff_factor);
  TESSERA_CHECK(options.growth_interval >= 1,
                "[TrainStep] expected a growth_interval of at least 1, got {}",
                options.growth_interval);
  options_.init_scale = static_cast<float>(options.init_scale);
  reset();
}

double LossScale::of_sum(double weight) const {
  if (!std::isfinite(weight) || !(weight > 0)) return state_.scale;
  int exponent = 0;
  if (std::frexp(weight, &exponent) == 0.5) --exponent;
  return std::ldexp(state_.scale, -exponent);
}

void LossScale::update(bool finite) {
  if (options_.constant) return;
  double next = state_.scale;
  if (!finite) {
    state_.growth_tracker = 0;
    next *= options_.backoff_factor;
  } else if (++state_.growth_tracker >= options_.growth_interval) {
    state_.growth_tracker = 0;
    next *= options_.growth_factor;
  }
  if (is_scale(next)) state_.scale = static_cast<float>(next);
}

void LossScale::restore(const LossScaleState& state) {
  TESSERA_CHECK(is_scale(state.scale) && state.growth_tracker >= 0,
                "[TrainStep] expected a loss scale above 0 that f32 holds and a number of steps, "
                "got {} and {}",
                state.scale, state.growth_tracker);
  if (!options_.constant) state_ = {static_cast<float>(state.scale), state.growth_tracker};
}

}  // namespace tessera
