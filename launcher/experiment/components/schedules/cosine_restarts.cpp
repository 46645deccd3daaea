#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class CosineRestartsSection final : public WarmSection {
 public:
  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("t_0", t_0_, "steps of the first fall", at_least(1));
    v("t_mult", t_mult_, "how many times longer each fall is than the one before", at_least(1));
    v("final_fraction", final_fraction_, "what is left of the learning rate before a restart",
      in_range(0, 1));
  }

 protected:
  double warm_lr_at(int64_t step, int64_t, double lr) const override {
    return optim::CosineRestartsSchedule{lr, t_0_, t_mult_, final_fraction_}.at(step);
  }

 private:
  int64_t t_0_ = 100;
  int64_t t_mult_ = 1;
  double final_fraction_ = 0;
};

}  // namespace

Option cosine_restarts() {
  return option<CosineRestartsSection>("cosine_restarts", "half a cosine, over and over");
}

}  // namespace tessera::experiment::schedules
