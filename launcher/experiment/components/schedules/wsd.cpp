#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class WsdSection final : public WarmSection {
 public:
  WsdSection() : WarmSection(20) {}

  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("decay", decay_, "steps of the fall; null: a fifth of those after the warm-up", at_least(0));
    v("decay_shape", fall_,
      "with f from 0 to 1; linear: 1 - f; sqrt: 1 - sqrt(f); cosine: half a cosine");
    v("final_fraction", final_fraction_, "what is left of the learning rate at the end",
      in_range(0, 1));
  }

 protected:
  double warm_lr_at(int64_t step, int64_t steps, double lr) const override {
    return optim::StableSchedule{lr, steps, decay_.value_or(steps / 5), fall_, final_fraction_}.at(
        step);
  }

 private:
  std::optional<int64_t> decay_;
  optim::Fall fall_ = optim::Fall::linear;
  double final_fraction_ = 0;
};

}  // namespace

Option wsd() {
  return option<WsdSection>("wsd",
                            "warm-up, the highest rate for most of the run, a fall at its end");
}

}  // namespace tessera::experiment::schedules
