// Schedule-Free: averaging in the place of a schedule.
#pragma once

#include <memory>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Three points for every parameter (Defazio et al. 2024): gradients are taken at y, the parameter
// as it is trained; they move z, by a rate that rises over the first steps and then stays as it is;
// x is a mean of all z, weighted by the squares of their rates, and y = beta1 x + (1 - beta1) z. x
// is what is meant to be used: EvaluationPoint says how it is had. The weights do not follow a rate
// that changes otherwise. Weight decay is decoupled, a share of y. A batch norm's running
// statistics are those that it observed with y; x has others, and they are not kept.
class ScheduleFreeRule : public ElementwiseRule {
 public:
  std::optional<EvaluationPoint> evaluation_point() const override {
    return EvaluationPoint{.state = 1, .trained = "y"};
  }

 protected:
  // What the average follows from: z of step t has a weight of
  // (1 - beta2^t) min(1, t / warmup_steps)^2, and the root of it is in its rate.
  struct Averaging {
    double beta = 0;  // x's share in y
    double beta2 = 0;
    int64_t warmup_steps = 0;
  };
  explicit ScheduleFreeRule(const Averaging& averaging);
  // The factors of the points in the formula.
  Factors point_factors(const UpdateStep& step) const;

 private:
  class RisingWeights;

  double share_of(int64_t step) const;

  Averaging averaging_;
  std::shared_ptr<RisingWeights> rising_;  // what is known of the sum; copies share it
};

// Gradients over the root of their mean square, as AdamW has it.
class AdamWScheduleFreeRule final : public ScheduleFreeRule {
 public:
  struct Options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    int64_t warmup_steps = 0;
  };
  explicit AdamWScheduleFreeRule(Options options);
  std::string describe() const override;

 protected:
  std::string_view formula() const override { return "adamw_schedule_free"; }
  std::vector<std::string> state_names() const override { return {"z", "x", "exp_avg_sq"}; }
  Factors factors(const UpdateStep& step) const override;

 private:
  Options options_;
};

// Gradients as they are.
class SgdScheduleFreeRule final : public ScheduleFreeRule {
 public:
  struct Options {
    double momentum = 0.9;  // x's share in y
    int64_t warmup_steps = 0;
  };
  explicit SgdScheduleFreeRule(Options options);
  std::string describe() const override;

 protected:
  std::string_view formula() const override { return "sgd_schedule_free"; }
  std::vector<std::string> state_names() const override { return {"z", "x"}; }
  Factors factors(const UpdateStep& step) const override;

 private:
  Options options_;
};

using AdamWScheduleFree = OptimizerOf<AdamWScheduleFreeRule>;
using SgdScheduleFree = OptimizerOf<SgdScheduleFreeRule>;

}  // namespace tessera::optim
