#include "nn/optim/ema.h"

#include "nn/optim/wrapped.h"

namespace tessera::optim {

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
    move_average(ema, decay_, meant(*inner_, rest), 1 - decay_);
  });
}

Ema::Ema(const Optimizer& inner, double decay)
    : Optimizer(with_rules(inner.groups(), [&](const RulePtr& rule) {
        return std::make_shared<EmaRule>(rule, decay);
      })) {}

}  // namespace tessera::optim
