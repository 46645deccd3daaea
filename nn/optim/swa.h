// Averages of parameters with equal weights.
#pragma once

#include <memory>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Another rule, and beside it the mean of the parameter as it was after update `start` and after
// every `every` updates from there, all with one weight, as one more state, "swa" (Izmailov et al.
// 2018). Up to update `start` the state is the parameter itself. What a batch norm of a model with
// these means would observe is not what it keeps: it goes on observing that of the parameters.
class SwaRule final : public UpdateRule {
 public:
  // Both are at least 1.
  SwaRule(RulePtr inner, int64_t start, int64_t every = 1);

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
  int64_t start_;
  int64_t every_;
};

// Another optimizer with such means of all its parameters.
class Swa final : public Optimizer {
 public:
  static constexpr const char* kState = "swa";

  Swa(const Optimizer& inner, int64_t start, int64_t every = 1);
};

}  // namespace tessera::optim
