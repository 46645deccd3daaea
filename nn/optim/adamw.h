// AdamW.
#pragma once

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
class AdamW final : public Optimizer {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
  };
  AdamW(std::vector<ParamGroup> groups, Options options);

  std::vector<std::string> state_names() const override { return {"exp_avg", "exp_avg_sq"}; }
  std::string describe() const override;
  void update(const Slice& slice, const Array& grad_scale, double lr, int64_t step) const override;

 private:
  Options options_;
};

}  // namespace tessera::optim
