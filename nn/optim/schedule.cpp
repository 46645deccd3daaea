#include "nn/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tessera::optim {
namespace {

double real(int64_t x) { return static_cast<double>(x); }

// Step x of a way of `length` steps, at most all of it.
double share_done(int64_t x, int64_t length) {
  return length <= 0 ? 1 : std::clamp(real(x) / real(length), 0., 1.);
}

// From 1, at x = 0, to 0 along half a cosine.
double half_cosine(double x) { return 0.5 * (1 + std::cos(std::numbers::pi * x)); }

double between(double from, double to, double share) { return from + (to - from) * share; }

}  // namespace

double CosineSchedule::at(int64_t step) const {
  if (step < warmup) return lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  int64_t span = std::max<int64_t>(steps - 1 - warmup, 1);
  double progress =
      std::clamp(static_cast<double>(step - warmup) / static_cast<double>(span), 0., 1.);
  double cosine = 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return lr * (final_fraction + (1 - final_fraction) * cosine);
}

double LinearSchedule::at(int64_t step) const {
  return lr * between(start_factor, end_factor, share_done(step, total_iters));
}

double StepSchedule::at(int64_t step) const { return lr * std::pow(gamma, real(step / step_size)); }

double MultiStepSchedule::at(int64_t step) const {
  auto reached = std::upper_bound(milestones.begin(), milestones.end(), step);
  return lr * std::pow(gamma, real(reached - milestones.begin()));
}

double ExponentialSchedule::at(int64_t step) const { return lr * std::pow(gamma, real(step)); }

double PolynomialSchedule::at(int64_t step) const {
  return lr * std::pow(1 - share_done(step, total_iters), power);
}

double CosineRestartsSchedule::at(int64_t step) const {
  int64_t length = t_0;
  if (t_mult == 1) step %= length;
  while (step >= length) {
    step -= length;
    // Longer than any run is long enough.
    if (__builtin_mul_overflow(length, t_mult, &length)) length = INT64_MAX;
  }
  return lr * between(final_fraction, 1, half_cosine(real(step) / real(length)));
}

double OneCycleSchedule::at(int64_t step) const {
  double low = lr / div_factor;
  double end = low / final_div_factor;
  // Where phases end, in steps, which need not be whole.
  double up = pct_start * real(total_steps) - 1;
  double down = three_phase ? 2 * pct_start * real(total_steps) - 2 : real(total_steps) - 1;
  double last = real(total_steps) - 1;
  auto phase = [&](double from, double to, double begin, double finish) {
    double done = finish > begin ? std::clamp((real(step) - begin) / (finish - begin), 0., 1.) : 1;
    return anneal == Anneal::cos ? between(to, from, half_cosine(done)) : between(from, to, done);
  };
  if (real(step) <= up) return phase(low, lr, 0, up);
  if (!three_phase) return phase(lr, end, up, last);
  return real(step) <= down ? phase(lr, low, up, down) : phase(low, end, down, last);
}

double CyclicSchedule::at(int64_t step) const {
  int64_t up = step_size_up;
  int64_t length = up + step_size_down.value_or(up);
  int64_t place = step % length;
  double height = place <= up ? real(place) / real(up) : real(length - place) / real(length - up);
  if (mode == CycleMode::triangular2) height /= std::pow(2, real(step / length));
  if (mode == CycleMode::exp_range) height *= std::pow(gamma, real(step));
  return lr * between(base_fraction, 1, height);
}

double StableSchedule::at(int64_t step) const {
  int64_t length = std::min(decay, steps);
  int64_t into = step - (steps - 1 - length);  // the fall, of whose steps the first one is 1
  if (length == 0 || into <= 0) return lr;
  double done = share_done(into, length);
  double left = fall == Fall::linear ? 1 - done
                : fall == Fall::sqrt ? 1 - std::sqrt(done)
                                     : half_cosine(done);
  return lr * between(final_fraction, 1, left);
}

double InverseSqrtSchedule::at(int64_t step) const {
  return lr * std::sqrt(real(timescale) / (real(timescale) + real(step)));
}

}  // namespace tessera::optim
