#include "nn/optim/averaged_rule.h"

#include <map>

#include "core/kernels.h"
#include "core/kernels/binary.h"

namespace tessera::optim {

std::vector<StateInfo> AveragedRule::states(const Dims& shape) const {
  std::vector<StateInfo> states = inner_->states(shape);
  states.push_back({state_, shape});
  return states;
}

void AveragedRule::update(const Slice& slice, const Array& grad_scale,
                          const UpdateStep& step) const {
  Slice rest = slice;
  rest.state.pop_back();
  write_where(step.when, {slice.state.back()}, [&](const std::vector<Array>& own) {
    if (step.step == 1) own[0].copy_(slice.param);
    inner_->update(rest, grad_scale, step);
    std::optional<EvaluationPoint> point = inner_->evaluation_point();
    follow(own[0], point ? rest.state[point->state] : rest.param, step.step);
  });
}

std::vector<ParamGroup> with_rules(std::vector<ParamGroup> groups,
                                   const std::function<RulePtr(const RulePtr&)>& make) {
  std::map<RulePtr, RulePtr> rules;
  for (ParamGroup& group : groups) {
    if (!group.rule) continue;
    RulePtr& rule = rules[group.rule];
    if (!rule) rule = make(group.rule);
    group.rule = rule;
  }
  return groups;
}

void move_average(const Array& average, double kept, const Array& values, double share) {
  const BinaryFamily& binary = kernels(average.device()).binary();
  Array part = Array::empty(average.shape(), average.dtype(), average.device());
  binary.affine(values, share, 0, part);
  binary.affine(average, kept, 0, average);
  binary.run(BinaryOp::add, average, part, average);
}

}  // namespace tessera::optim
