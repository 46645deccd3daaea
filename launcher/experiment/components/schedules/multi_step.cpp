#include <charconv>

#include "launcher/experiment/components/schedules/warm_section.h"
#include "launcher/experiment/components/setting_text.h"
#include "launcher/job/in_quotes.h"

namespace tessera::experiment::schedules {
namespace {

class MultiStepSection final : public WarmSection {
 public:
  void visit(FieldVisitor& v) override {
    WarmSection::visit(v);
    v("milestones", milestones_, "STEP, ...: the steps, ascending, at which the rate falls");
    v("gamma", gamma_, "what is left of the rate after a fall", in_range(0, 1));
  }
  void check() const override { milestones(); }

 protected:
  double warm_lr_at(int64_t step, int64_t, double lr) const override {
    return optim::MultiStepSchedule{lr, milestones(), gamma_}.at(step + warmup());
  }

 private:
  std::vector<int64_t> milestones() const {
    std::vector<int64_t> steps;
    if (trimmed(milestones_).empty()) return steps;
    for (const std::string& text : split_trimmed(milestones_, ',')) {
      int64_t step = 0;
      const char* end = text.data() + text.size();
      auto read = std::from_chars(text.data(), end, step);
      bool ascends = steps.empty() ? step >= 1 : step > steps.back();
      if (read.ec != std::errc() || read.ptr != end || !ascends) {
        throw ConfigError(
            fmt::format("schedule.milestones: expected ascending steps of at least 1, got {}",
                        job::in_quotes(text)));
      }
      steps.push_back(step);
    }
    return steps;
  }

  std::string milestones_;
  double gamma_ = 0.1;
};

}  // namespace

Option multi_step() {
  return option<MultiStepSection>("multi_step", "the rate falls by a factor at certain steps");
}

}  // namespace tessera::experiment::schedules
