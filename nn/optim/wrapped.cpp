#include "nn/optim/wrapped.h"

#include <map>

#include "core/kernels.h"
#include "core/kernels/binary.h"

namespace tessera::optim {

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

const Array& meant(const UpdateRule& rule, const Slice& slice) {
  std::optional<EvaluationPoint> point = rule.evaluation_point();
  return point ? slice.state[point->state] : slice.param;
}

void move_average(const Array& average, double kept, const Array& param, double share) {
  const BinaryFamily& binary = kernels(average.device()).binary();
  Array part = Array::empty(average.shape(), average.dtype(), average.device());
  binary.affine(param, share, 0, part);
  binary.affine(average, kept, 0, average);
  binary.run(BinaryOp::add, average, part, average);
}

}  // namespace tessera::optim
