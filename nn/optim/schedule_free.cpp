#include "nn/optim/schedule_free.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "nn/optim/option_checks.h"

namespace tessera::optim {
namespace {

double rise(int64_t step, int64_t warmup_steps) {
  if (step >= warmup_steps) return 1;
  return static_cast<double>(step) / static_cast<double>(warmup_steps);
}

void check_warmup(const char* rule, int64_t warmup_steps) {
  TESSERA_CHECK(warmup_steps >= 0, "[{}] expected warmup_steps of at least 0, got {}", rule,
                warmup_steps);
}

}  // namespace

// Sums of weights over the rise. Updates ask for one after the other, each for all parameters: the
// sum goes on from where it was.
class ScheduleFreeRule::RisingWeights {
 public:
  struct Sum {
    int64_t steps = 0;
    double weights = 0;
    double power = 1;  // beta2^steps
  };
  Sum up_to(int64_t steps, const Averaging& averaging) {
    std::lock_guard lock(mutex_);
    if (steps < last_.steps) last_ = {};
    while (last_.steps < steps) {
      ++last_.steps;
      last_.power *= averaging.beta2;
      double rate = rise(last_.steps, averaging.warmup_steps);
      last_.weights += (1 - last_.power) * rate * rate;
    }
    return last_;
  }

 private:
  std::mutex mutex_;
  Sum last_;
};

ScheduleFreeRule::ScheduleFreeRule(const Averaging& averaging)
    : averaging_(averaging), rising_(std::make_shared<RisingWeights>()) {}

// Of z in x: its weight over the sum of all weights so far. Those of the rise are added up, the
// others are a geometric series.
double ScheduleFreeRule::share_of(int64_t step) const {
  double beta2 = averaging_.beta2;
  int64_t rising = std::min(step, averaging_.warmup_steps);
  auto [steps, sum, power] = rising_->up_to(rising, averaging_);
  auto others = static_cast<double>(step - rising);
  double series = beta2 * (1 - std::pow(beta2, others)) / (1 - beta2);
  sum += others - power * series;
  double rate = rise(step, averaging_.warmup_steps);
  return (1 - std::pow(beta2, static_cast<double>(step))) * rate * rate / sum;
}

ElementwiseRule::Factors ScheduleFreeRule::point_factors(const UpdateStep& s) const {
  double correction = 1 - std::pow(averaging_.beta2, static_cast<double>(s.step));
  double share = share_of(s.step);
  return {s.lr * std::sqrt(correction) * rise(s.step, averaging_.warmup_steps),
          s.weight_decay,
          share,
          1 - share,
          averaging_.beta,
          1 - averaging_.beta,
          s.step == 1 ? 1. : 0.};
}

AdamWScheduleFreeRule::AdamWScheduleFreeRule(Options options)
    : ScheduleFreeRule({options.beta1, options.beta2, options.warmup_steps}), options_(options) {
  check_betas("AdamWScheduleFree", options.beta1, options.beta2);
  check_eps("AdamWScheduleFree", options.eps);
  check_warmup("AdamWScheduleFree", options.warmup_steps);
}

std::string AdamWScheduleFreeRule::describe() const {
  return fmt::format("adamw_schedule_free, betas {} and {}, eps {}, warmup_steps {}",
                     options_.beta1, options_.beta2, options_.eps, options_.warmup_steps);
}

ElementwiseRule::Factors AdamWScheduleFreeRule::factors(const UpdateStep& s) const {
  Factors factors = point_factors(s);
  factors[7] = options_.beta2;
  factors[8] = 1 - options_.beta2;
  factors[9] = options_.eps;
  return factors;
}

SgdScheduleFreeRule::SgdScheduleFreeRule(Options options)
    : ScheduleFreeRule({options.momentum, 0, options.warmup_steps}), options_(options) {
  check_decay("SgdScheduleFree", "a momentum", options.momentum);
  check_warmup("SgdScheduleFree", options.warmup_steps);
}

std::string SgdScheduleFreeRule::describe() const {
  return fmt::format("sgd_schedule_free, momentum {}, warmup_steps {}", options_.momentum,
                     options_.warmup_steps);
}

ElementwiseRule::Factors SgdScheduleFreeRule::factors(const UpdateStep& s) const {
  return point_factors(s);
}

}  // namespace tessera::optim
