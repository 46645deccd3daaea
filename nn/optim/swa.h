// Averages of parameters with equal weights.
#pragma once

#include "nn/optim/averaged_rule.h"

namespace tessera::optim {

// Another rule, and beside it the mean of the parameter as it was after update `start` and after
// every `every` updates from there, all with one weight, as one more state, "swa" (Izmailov et al.
// 2018). Up to update `start` the state is the parameter itself. What a batch norm of a model with
// these means would observe is not what it keeps: it goes on observing that of the parameters.
class SwaRule final : public AveragedRule {
 public:
  // Both are at least 1.
  SwaRule(RulePtr inner, int64_t start, int64_t every = 1);
  std::string describe() const override;

 protected:
  void follow(const Array& average, const Array& values, int64_t step) const override;

 private:
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
