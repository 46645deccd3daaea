#include "nn/optim/swa.h"

#include "nn/optim/wrapped.h"

namespace tessera::optim {

SwaRule::SwaRule(RulePtr inner, int64_t start, int64_t every)
    : inner_(std::move(inner)), start_(start), every_(every) {
  TESSERA_CHECK(start >= 1 && every >= 1,
                "[Swa] expected a start and a distance of at least 1, got {} and {}", start, every);
}

std::vector<StateInfo> SwaRule::states(const Dims& shape) const {
  std::vector<StateInfo> states = inner_->states(shape);
  states.push_back({Swa::kState, shape});
  return states;
}

std::string SwaRule::describe() const {
  return fmt::format("{}, swa from update {} every {}", inner_->describe(), start_, every_);
}

void SwaRule::update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const {
  Slice rest = slice;
  rest.state.pop_back();
  write_where(step.when, {slice.state.back()}, [&](const std::vector<Array>& own) {
    const Array& mean = own[0];
    inner_->update(rest, grad_scale, step);
    int64_t after = step.step - start_;
    if (after <= 0) {
      mean.copy_(meant(*inner_, rest));
    } else if (after % every_ == 0) {
      auto before = static_cast<double>(after / every_);  // how many are in the mean
      move_average(mean, before / (before + 1), meant(*inner_, rest), 1 / (before + 1));
    }
  });
}

Swa::Swa(const Optimizer& inner, int64_t start, int64_t every)
    : Optimizer(with_rules(inner.groups(), [&](const RulePtr& rule) {
        return std::make_shared<SwaRule>(rule, start, every);
      })) {}

}  // namespace tessera::optim
