// Stochastic gradient descent.
#pragma once

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// As torch.optim.SGD: weight decay is added to the gradient, and the first gradient enters the mean
// whole.
class SgdRule final : public ElementwiseRule {
 public:
  struct Options {
    double momentum = 0;   // what stays of the mean in each step; 0: there is none
    double dampening = 0;  // what a gradient lacks when it enters the mean
    bool nesterov = false;
  };
  explicit SgdRule(Options options) : options_(options) {
    TESSERA_CHECK(options.momentum >= 0 && options.momentum < 1,
                  "[Sgd] expected a momentum in [0, 1), got {}", options.momentum);
    TESSERA_CHECK(options.dampening >= 0 && options.dampening <= 1,
                  "[Sgd] expected a dampening in [0, 1], got {}", options.dampening);
    TESSERA_CHECK(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
                  "[Sgd] nesterov needs a momentum, and no dampening");
  }
  std::string describe() const override {
    return fmt::format("sgd, momentum {}{}, dampening {}", options_.momentum,
                       options_.nesterov ? " of Nesterov" : "", options_.dampening);
  }

 protected:
  std::string_view formula() const override { return has_mean() ? "sgd_momentum" : "sgd"; }
  std::vector<std::string> state_names() const override {
    return has_mean() ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{};
  }
  Factors factors(const UpdateStep& s) const override {
    double enters = s.step == 1 ? 1 : 1 - options_.dampening;
    double of_gradient = options_.nesterov ? 1 : 0;
    double of_mean = options_.nesterov ? options_.momentum : 1;
    return {s.lr, s.weight_decay, options_.momentum, enters, of_gradient, of_mean};
  }

 private:
  bool has_mean() const { return options_.momentum > 0; }

  Options options_;
};

using Sgd = OptimizerOf<SgdRule>;

}  // namespace tessera::optim
