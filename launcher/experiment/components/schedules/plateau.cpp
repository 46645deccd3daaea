#include "nn/optim/plateau.h"

#include "launcher/experiment/components/schedules/warm_section.h"

namespace tessera::experiment::schedules {
namespace {

class PlateauSection final : public WarmSection {
 public:
  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("factor", options_.factor, "what is left of the rate after a fall", at_least_and_below(0, 1));
    v("patience", options_.patience, "evaluations in a row that may be no better", at_least(0));
    v("threshold", options_.threshold, "by how much a validation loss is better than the best",
      at_least(0));
    v("threshold_mode", options_.threshold_mode, "rel: as a share of the best loss; abs: as it is");
    v("cooldown", options_.cooldown, "evaluations after a fall that do not count", at_least(0));
    v("min_lr", options_.min_lr, "the rate falls no lower", at_least(0).in_f32());
    v("eps", options_.eps, "a fall that is no larger is none", at_least(0));
  }
  std::optional<Feedback> feedback(double lr) const override {
    return Feedback{optim::PlateauSchedule(lr, options_), warmup()};
  }

 protected:
  double warm_lr_at(int64_t, int64_t, double lr) const override { return lr; }

 private:
  optim::PlateauSchedule::Options options_;
};

}  // namespace

Option plateau() {
  return option<PlateauSection>(
      "plateau", "the rate falls when the validation loss does not (run.eval_every)");
}

}  // namespace tessera::experiment::schedules
