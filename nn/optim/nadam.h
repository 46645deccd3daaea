// NAdam.
#pragma once

#include "nn/optim/adam.h"

namespace tessera::optim {

// Adam with Nesterov's momentum, which grows over the first steps (Dozat 2016), as
// torch.optim.NAdam has it.
class NAdamRule final : public ElementwiseRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    double momentum_decay = 4e-3;
    bool decoupled_weight_decay = false;  // else it is added to the gradient
  };
  explicit NAdamRule(Options options);
  std::string describe() const override;

 protected:
  std::string_view formula() const override { return "adam"; }
  std::vector<std::string> state_names() const override { return {"exp_avg", "exp_avg_sq"}; }
  Factors factors(const UpdateStep& step) const override;

 private:
  Options options_;
};

using NAdam = OptimizerOf<NAdamRule>;

}  // namespace tessera::optim
