#include "nn/optim/schedule_free.h"

#include <algorithm>
#include <cmath>

#include "nn/optim/option_checks.h"

namespace tessera::optim {
namespace {

double rise(int64_t step, int64_t warmup_steps) {
  if (step >= warmup_steps) return 1;
  return static_cast<double>(step) / static_cast<double>(warmup_steps);
}

// Of z in x: its weight over the sum of all weights so far. Those of the rise are added up, the
// others are a geometric series.
double share_of(int64_t step, double beta2, int64_t warmup_steps) {
  double sum = 0;
  double power = 1;
  int64_t rising = std::min(step, warmup_steps);
  for (int64_t t = 1; t <= rising; ++t) {
    power *= beta2;
    double rate = rise(t, warmup_steps);
    sum += (1 - power) * rate * rate;
  }
  auto others = static_cast<double>(step - rising);
  double series = beta2 * (1 - std::pow(beta2, others)) / (1 - beta2);
  sum += others - power * series;
  double rate = rise(step, warmup_steps);
  return (1 - std::pow(beta2, static_cast<double>(step))) * rate * rate / sum;
}

void check_warmup(const char* rule, int64_t warmup_steps) {
  TESSERA_CHECK(warmup_steps >= 0, "[{}] expected warmup_steps of at least 0, got {}", rule,
                warmup_steps);
}

}  // namespace

ElementwiseRule::Factors ScheduleFreeRule::point_factors(const UpdateStep& s,
                                                         const Averaging& averaging) {
  double correction = 1 - std::pow(averaging.beta2, static_cast<double>(s.step));
  double share = share_of(s.step, averaging.beta2, averaging.warmup_steps);
  return {s.lr * std::sqrt(correction) * rise(s.step, averaging.warmup_steps),
          s.weight_decay,
          share,
          1 - share,
          averaging.beta,
          1 - averaging.beta,
          s.step == 1 ? 1. : 0.};
}

AdamWScheduleFreeRule::AdamWScheduleFreeRule(Options options) : options_(options) {
  check_betas("AdamWScheduleFree", options.beta1, options.beta2);
  check_eps("AdamWScheduleFree", options.eps);
  check_warmup("AdamWScheduleFree", options.warmup_steps);
}

std::string AdamWScheduleFreeRule::describe() const {
  return fmt::format("adamw_schedule_free, betas {} and {}, eps {}, warmup_steps {}",
                     options_.beta1, options_.beta2, options_.eps, options_.warmup_steps);
}

ElementwiseRule::Factors AdamWScheduleFreeRule::factors(const UpdateStep& s) const {
  Factors factors = point_factors(s, {options_.beta1, options_.beta2, options_.warmup_steps});
  factors[7] = options_.beta2;
  factors[8] = 1 - options_.beta2;
  factors[9] = options_.eps;
  return factors;
}

SgdScheduleFreeRule::SgdScheduleFreeRule(Options options) : options_(options) {
  check_decay("SgdScheduleFree", "a momentum", options.momentum);
  check_warmup("SgdScheduleFree", options.warmup_steps);
}

std::string SgdScheduleFreeRule::describe() const {
  return fmt::format("sgd_schedule_free, momentum {}, warmup_steps {}", options_.momentum,
                     options_.warmup_steps);
}

ElementwiseRule::Factors SgdScheduleFreeRule::factors(const UpdateStep& s) const {
  return point_factors(s, {options_.momentum, 0, options_.warmup_steps});
}

}  // namespace tessera::optim
