#include "nn/optim/swa.h"

namespace tessera::optim {

SwaRule::SwaRule(RulePtr inner, int64_t start, int64_t every)
    : AveragedRule(std::move(inner), Swa::kState), start_(start), every_(every) {
  TESSERA_CHECK(start >= 1 && every >= 1,
                "[Swa] expected a start and a distance of at least 1, got {} and {}", start, every);
}

std::string SwaRule::describe() const {
  return fmt::format("{}, swa from update {} every {}", inner().describe(), start_, every_);
}

void SwaRule::follow(const Array& average, const Array& values, int64_t step) const {
  int64_t after = step - start_;
  if (after <= 0) {
    average.copy_(values);
  } else if (after % every_ == 0) {
    auto before = static_cast<double>(after / every_);  // how many are in the mean
    move_average(average, before / (before + 1), values, 1 / (before + 1));
  }
}

Swa::Swa(const Optimizer& inner, int64_t start, int64_t every)
    : Optimizer(with_rules(inner.groups(), [&](const RulePtr& rule) {
        return std::make_shared<SwaRule>(rule, start, every);
      })) {}

}  // namespace tessera::optim
