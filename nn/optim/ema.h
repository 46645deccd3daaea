// Exponential moving averages of parameters.
#pragma once

#include <memory>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Another rule, and beside it the moving average of the parameter as one more state, "ema":
//   ema = decay * ema + (1 - decay) * param
// after each update, beginning with the parameter before the first (Polyak and Juditsky 1992).
class EmaRule final : public UpdateRule {
 public:
  // decay is in (0, 1).
  EmaRule(RulePtr inner, double decay);

  Cut cut() const override { return inner_->cut(); }
  bool heeds_when() const override { return inner_->heeds_when(); }
  std::vector<StateInfo> states(const Dims& shape) const override;
  std::optional<EvaluationPoint> evaluation_point() const override {
    return inner_->evaluation_point();
  }
  std::string describe() const override;
  void update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const override;

 private:
  RulePtr inner_;
  double decay_;
};

// Another optimizer with such averages of all its parameters.
class Ema final : public Optimizer {
 public:
  static constexpr const char* kState = "ema";

  Ema(const Optimizer& inner, double decay);
};

}  // namespace tessera::optim
