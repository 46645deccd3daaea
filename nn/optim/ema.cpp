#include "nn/optim/ema.h"

#include <map>

#include "core/kernels.h"
#include "core/kernels/binary.h"

namespace tessera::optim {
namespace {

std::vector<ParamGroup> averaged(std::vector<ParamGroup> groups, double decay) {
  // One for each rule: parameters with one rule share buckets.
  std::map<RulePtr, RulePtr> rules;
  for (ParamGroup& group : groups) {
    if (!group.rule) continue;
    RulePtr& rule = rules[group.rule];
    if (!rule) rule = std::make_shared<EmaRule>(group.rule, decay);
    group.rule = rule;
  }
  return groups;
}

}  // namespace

EmaRule::EmaRule(RulePtr inner, double decay) : inner_(std::move(inner)), decay_(decay) {
  TESSERA_CHECK(decay > 0 && decay < 1, "[Ema] expected a decay in (0, 1), got {}", decay);
}

std::vector<StateInfo> EmaRule::states(const Dims& shape) const {
  std::vector<StateInfo> states = inner_->states(shape);
  states.push_back({Ema::kState, shape});
  return states;
}

std::string EmaRule::describe() const {
  return fmt::format("{}, ema {}", inner_->describe(), decay_);
}

void EmaRule::update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const {
  Slice rest = slice;
  rest.state.pop_back();
  write_where(step.when, {slice.state.back()}, [&](const std::vector<Array>& own) {
    const Array& ema = own[0];
    if (step.step == 1) ema.copy_(slice.param);
    inner_->update(rest, grad_scale, step);
    const BinaryFamily& binary = kernels(ema.device()).binary();
    Array share = Array::empty(ema.shape(), ema.dtype(), ema.device());
    binary.affine(slice.param, 1 - decay_, 0, share);
    binary.affine(ema, decay_, 0, ema);
    binary.run(BinaryOp::add, ema, share, ema);
  });
}

Ema::Ema(const Optimizer& inner, double decay) : Optimizer(averaged(inner.groups(), decay)) {}

}  // namespace tessera::optim
