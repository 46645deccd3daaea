#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class InverseSqrtSection final : public WarmSection {
 public:
  InverseSqrtSection() : WarmSection(20) {}

  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("timescale", timescale_,
      "steps after the warm-up until the rate has fallen to 71%; null: as many as the warm-up has, "
      "or 10,000 without one",
      at_least(1));
  }

 protected:
  double warm_lr_at(int64_t step, int64_t, double lr) const override {
    int64_t usual = warmup() > 0 ? warmup() : 10000;
    return optim::InverseSqrtSchedule{lr, timescale_.value_or(usual)}.at(step);
  }

 private:
  std::optional<int64_t> timescale_;
};

}  // namespace

Option inverse_sqrt() {
  return option<InverseSqrtSection>("inverse_sqrt",
                                    "warm-up, then falling as the root of the steps rises");
}

}  // namespace tessera::experiment::schedules
