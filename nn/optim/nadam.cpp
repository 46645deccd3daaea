#include "nn/optim/nadam.h"

#include <limits>

namespace tessera::optim {
namespace {

// The momentum of step t, and the product of those of steps 1 to t.
struct Momenta {
  double last = 0;
  double next = 0;  // of step t + 1
  double product = 1;
};

// A product so small that 1 - product is 1 is as good as 0, and is reached within 1 / (1 - beta1)
// times some forty steps.
Momenta momenta_of(double beta1, double momentum_decay, int64_t step) {
  constexpr double kBase = 0.96;
  auto momentum = [&](int64_t t) {
    return beta1 * (1 - 0.5 * std::pow(kBase, static_cast<double>(t) * momentum_decay));
  };
  Momenta out{momentum(step), momentum(step + 1)};
  double ratio = std::pow(kBase, momentum_decay);
  double power = 1;
  for (int64_t t = 1; t <= step && out.product > std::numeric_limits<double>::epsilon() / 4; ++t) {
    power *= ratio;
    out.product *= beta1 * (1 - 0.5 * power);
  }
  return out;
}

}  // namespace

NAdamRule::NAdamRule(Options options) : options_(options) {
  check_betas("NAdam", options.beta1, options.beta2);
  check_eps("NAdam", options.eps);
  check_not_negative("NAdam", "a momentum_decay", options.momentum_decay);
}

std::string NAdamRule::describe() const {
  return fmt::format("nadam, betas {} and {}, eps {}, momentum_decay {}{}", options_.beta1,
                     options_.beta2, options_.eps, options_.momentum_decay,
                     options_.decoupled_weight_decay ? ", decoupled weight decay" : "");
}

ElementwiseRule::Factors NAdamRule::factors(const UpdateStep& s) const {
  Momenta momenta = momenta_of(options_.beta1, options_.momentum_decay, s.step);
  AdamStep step = corrected_step(s, options_.beta1, options_.beta2, options_.eps);
  step.of_gradient = s.lr * (1 - momenta.last) / (1 - momenta.product);
  step.of_mean = s.lr * momenta.next / (1 - momenta.product * momenta.next);
  step.decoupled = options_.decoupled_weight_decay;
  return adam_factors(s, options_.beta1, options_.beta2, step);
}

}  // namespace tessera::optim
