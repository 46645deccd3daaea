// Exponential moving averages of parameters.
#pragma once

#include "nn/optim/averaged_rule.h"

namespace tessera::optim {

// Another rule, and beside it the moving average of the parameter as one more state, "ema":
//   ema = decay * ema + (1 - decay) * param
// after each update, beginning with the parameter before the first (Polyak and Juditsky 1992).
class EmaRule final : public AveragedRule {
 public:
  // decay is in (0, 1).
  EmaRule(RulePtr inner, double decay);
  std::string describe() const override;

 protected:
  void follow(const Array& average, const Array& values, int64_t step) const override;

 private:
  double decay_;
};

// Another optimizer with such averages of all its parameters.
class Ema final : public Optimizer {
 public:
  static constexpr const char* kState = "ema";

  Ema(const Optimizer& inner, double decay);
};

}  // namespace tessera::optim
