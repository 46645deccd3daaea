#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// log(t!) by Stirling, as the full Poisson loss has it.
double stirling(double t) {
  return t <= 1 ? 0 : t * std::log(t) - t + 0.5 * std::log(2 * M_PI * t);
}

OpCase poisson(std::string name, PoissonNllLossOptions options, double (*reference)(double, double),
               double low) {
  options.reduction = Reduction::none;
  InputSpec x{{2, 3}, low, 2};
  InputSpec t{{2, 3}, 1.1, 5};
  return {.name = std::move(name),
          .fn = [options](const Inputs& in) { return poisson_nll_loss(in[0], in[1], options); },
          .inputs = {{x, t}, {{{3}, low, 2}, {{2, 1}, 1.1, 5}}, {{{}, low, 2}, {{}, 1.1, 5}}},
          .large = {{{70, 301}, low, 2}, {{301}, 1.1, 5}},
          .reference = each_pair(reference),
          .op = "poisson_nll_loss",
          .tolerance_f32 = 2e-5};
}

OpCase gaussian(std::string name, GaussianNllLossOptions options, std::vector<InputSpecs> inputs,
                InputSpecs large) {
  return {
      .name = std::move(name),
      .fn = [options](const Inputs& in) { return gaussian_nll_loss(in[0], in[1], in[2], options); },
      .inputs = std::move(inputs),
      .large = std::move(large),
      .op = "gaussian_nll_loss",
      .tolerance_f32 = 2e-5};
}

}  // namespace

std::vector<OpCase> likelihood_loss_cases() {
  std::vector<OpCase> out;
  out.push_back(poisson(
      "poisson_nll_loss", {}, [](double x, double t) { return std::exp(x) - t * x; }, -2));
  out.push_back(poisson(
      "poisson_nll_loss_of_rates", {.log_input = false, .full = true},
      [](double x, double t) { return x - t * std::log(x + 1e-8) + stirling(t); }, 0.1));
  InputSpec var{{2, 3}, 0.2, 2};
  out.push_back(gaussian("gaussian_nll_loss", {.full = true},
                         {{{{2, 3}}, {{2, 3}}, var}, {{{3}}, {{3}}, {{3}, 0.2, 2}}},
                         {{{70, 301}}, {{70, 301}}, {{70, 301}, 0.2, 2}}));
  out.push_back(gaussian("gaussian_nll_loss_none", {.reduction = Reduction::none},
                         {{{{2, 3}}, {{2, 3}}, {{2}, 0.2, 2}}, {{{2, 3}}, {{3}}, {{1, 3}, 0.2, 2}}},
                         {{{70, 301}}, {{70, 301}}, {{70}, 0.2, 2}}));
  out.push_back({.name = "ctc_loss",
                 .fn =
                     [](const Inputs& in) {
                       auto numbers = [](const std::vector<int64_t>& values, const Dims& shape) {
                         return Tensor(Array::from(values, shape));
                       };
                       return ctc_loss(in[0], numbers({1, 1, 2, 1}, {2, 2}), numbers({4, 3}, {2}),
                                       numbers({2, 1}, {2}));
                     },
                 .inputs = {{{{4, 2, 3}, -3, -0.1}}},
                 .large = {{{40, 2, 30}, -3, -0.1}},
                 .twice_differentiable = false,
                 .tolerance_f32 = 2e-5});
  return out;
}

}  // namespace tessera::test
