// Adafactor.
#pragma once

#include <optional>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Second moments of matrices as the outer product of those of rows and columns (Shazeer and Stern
// 2018), as torch.optim.Adafactor has it: a parameter of several dims keeps sums over its last dim
// and over the one before, one of fewer dims keeps a second moment for each element. The step is
// as large as the parameter, at most lr, and clipped by its own size.
class AdafactorRule final : public UpdateRule {
 public:
  struct Options {
    double beta2_decay = -0.8;                  // the second moments' weights are t^beta2_decay
    std::optional<double> eps1 = std::nullopt;  // none: that of the parameter's dtype
    double eps2 = 1e-3;                         // the least size that a parameter counts as
    double clip = 1;                            // the largest root mean square of an update
  };
  explicit AdafactorRule(Options options);

  Cut cut() const override { return Cut::whole_parameter; }
  bool heeds_when() const override { return true; }
  std::vector<StateInfo> states(const Dims& shape) const override;
  std::string describe() const override;
  void update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const override;

 private:
  void write(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const;

  Options options_;
};

using Adafactor = OptimizerOf<AdafactorRule>;

}  // namespace tessera::optim
