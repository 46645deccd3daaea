// What rules that keep an average beside another rule share.
#pragma once

#include <functional>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Another rule, and beside it an average of what it means the parameter to be used at, as one more
// state, which is the parameter before the first update.
class AveragedRule : public UpdateRule {
 public:
  AveragedRule(RulePtr inner, const char* state) : inner_(std::move(inner)), state_(state) {}

  Cut cut() const final { return inner_->cut(); }
  bool heeds_when() const final { return inner_->heeds_when(); }
  std::vector<StateInfo> states(const Dims& shape) const final;
  std::optional<EvaluationPoint> evaluation_point() const final {
    return inner_->evaluation_point();
  }
  void update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const final;

 protected:
  const UpdateRule& inner() const { return *inner_; }
  // The average, in place, after an update that led to `values`.
  virtual void follow(const Array& average, const Array& values, int64_t step) const = 0;

 private:
  RulePtr inner_;
  const char* state_;
};

// The groups with make(rule) in the place of every rule, one for each: parameters with one rule
// share buckets.
std::vector<ParamGroup> with_rules(std::vector<ParamGroup> groups,
                                   const std::function<RulePtr(const RulePtr&)>& make);

// average = kept * average + share * values, in place.
void move_average(const Array& average, double kept, const Array& values, double share);

}  // namespace tessera::optim
