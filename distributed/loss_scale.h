// Losses that are scaled before backward, so that small gradients are not lost in f16.
#pragma once

#include <cstdint>

namespace tessera {

// The arguments of torch.amp.GradScaler, with its defaults.
struct LossScaleOptions {
  double init_scale = 65536;
  double growth_factor = 2;     // above 1
  double backoff_factor = 0.5;  // between 0 and 1
  int64_t growth_interval = 2000;
  bool constant = false;  // the scale stays what it is, and the three before mean nothing
};

// What a run goes on from.
struct LossScaleState {
  double scale = 0;
  int64_t growth_tracker = 0;  // finite steps since the scale changed

  friend bool operator==(const LossScaleState&, const LossScaleState&) = default;
};

// The scale of a run's losses, by the rules of torch.amp.GradScaler: a step that is not finite
// multiplies it by the backoff factor, growth_interval finite ones after another by the growth
// factor. It is a number of f32, rounded as there; what would be infinite, or less than the least
// normal number of f32, leaves it as it is.
class LossScale {
 public:
  // An Error where an option is out of range.
  explicit LossScale(const LossScaleOptions& options);

  // What a sum of losses of this weight is multiplied by before backward: the scale, over the least
  // power of two that is not below the weight. So it is the mean loss that is scaled, as it is in
  // PyTorch, but for less than a factor of two; and with a scale that is a power of two, gradients
  // keep their bits as far as their dtype has them.
  double of_sum(double weight) const;

  // After a step: whether its loss and gradient were finite.
  void update(bool finite);

  const LossScaleState& state() const { return state_; }
  // Goes on from there; a constant scale stays. An Error where there is no such state.
  void restore(const LossScaleState& state);
  // Goes back to the beginning.
  void reset() { state_ = {options_.init_scale, 0}; }

 private:
  LossScaleOptions options_;
  LossScaleState state_;
};

}  // namespace tessera
