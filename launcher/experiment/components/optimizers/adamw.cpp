#include "launcher/experiment/components/optimizers/adamw_options.h"

namespace tessera::experiment::optimizers {
namespace {

class AdamWSection final : public OneRuleSection<AdamWOptions> {
 public:
  AdamWSection() : OneRuleSection({"adamw", Decay::decoupled, 1e-3, 0.1}) {}
};

}  // namespace

Option adamw() { return option<AdamWSection>("adamw", "Adam with decoupled weight decay"); }

}  // namespace tessera::experiment::optimizers
