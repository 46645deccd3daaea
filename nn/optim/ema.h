// Exponential moving averages of parameters.
#pragma once

#include <memory>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Another optimizer, and beside it the moving average of every parameter as one more state, "ema":
//   ema = decay * ema + (1 - decay) * param
// after each update, beginning with the parameter before the first (Polyak and Juditsky 1992).
class Ema final : public Optimizer {
 public:
  static constexpr const char* kState = "ema";

  // decay is in (0, 1).
  Ema(std::unique_ptr<Optimizer> inner, double decay);

  std::vector<std::string> state_names() const override;
  std::string describe() const override;
  void update(const Slice& slice, const Array& grad_scale, double lr, int64_t step) const override;

 private:
  std::unique_ptr<Optimizer> inner_;
  double decay_;
};

}  // namespace tessera::optim
