#include "launcher/experiment/components/components.h"

namespace tessera::experiment::schedules {
namespace {

class ConstantSection final : public ScheduleSection {
 public:
  void visit(FieldVisitor&) override {}
  double lr_at(int64_t, int64_t, double lr) const override { return lr; }
};

}  // namespace

Option constant() { return option<ConstantSection>("constant", "the same rate at every step"); }

}  // namespace tessera::experiment::schedules
