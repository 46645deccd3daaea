#include "nn/optim/ema.h"

namespace tessera::optim {

EmaRule::EmaRule(RulePtr inner, double decay)
    : AveragedRule(std::move(inner), Ema::kState), decay_(decay) {
  TESSERA_CHECK(decay > 0 && decay < 1, "[Ema] expected a decay in (0, 1), got {}", decay);
}

std::string EmaRule::describe() const {
  return fmt::format("{}, ema {}", inner().describe(), decay_);
}

void EmaRule::follow(const Array& average, const Array& values, int64_t) const {
  move_average(average, decay_, values, 1 - decay_);
}

Ema::Ema(const Optimizer& inner, double decay)
    : Optimizer(with_rules(inner.groups(), [&](const RulePtr& rule) {
        return std::make_shared<EmaRule>(rule, decay);
      })) {}

}  // namespace tessera::optim
