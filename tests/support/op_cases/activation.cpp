#include "tests/support/op_cases/rows.h"

namespace tessera::test {
std::vector<OpCase> activation_cases() {
  std::vector<OpCase> out;
  out.push_back(unary(
      "sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -5, 5));
  out.push_back(unary(
      "logsigmoid", logsigmoid, [](double x) { return -std::log1p(std::exp(-x)); }, -5, 5));
  out.push_back(unary(
      "relu", relu, [](double x) { return std::max(x, 0.0); }, -2, 2, 0.1));
  out.push_back(unary(
      "relu6", relu6, [](double x) { return std::min(std::max(x, 0.0), 6.0); }, -2, 4, 0.1));
  out.push_back(unary(
      "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); },
      [](double x) { return x < 0 ? 0.2 * x : x; }, -2, 2, 0.1));
  out.push_back(unary(
      "elu", [](const Tensor& x) { return elu(x, 1.3); },
      [](double x) { return x < 0 ? 1.3 * std::expm1(x) : x; }, -3, 3, 0.1));
  out.push_back(unary(
      "celu", [](const Tensor& x) { return celu(x, 1.3); },
      [](double x) { return x < 0 ? 1.3 * std::expm1(x / 1.3) : x; }, -3, 3, 0.1));
  out.push_back(unary(
      "selu", selu,
      [](double x) {
        return 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * std::expm1(x) : x);
      },
      -3, 3, 0.1));
  out.push_back(unary(
      "gelu", [](const Tensor& x) { return gelu(x); },
      [](double x) { return x * 0.5 * std::erfc(-x * M_SQRT1_2); }, -4, 4));
  out.push_back(unary(
      "gelu_tanh", [](const Tensor& x) { return gelu(x, Gelu::tanh); },
      [](double x) {
        return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
      },
      -4, 4));
  out.back().op = "gelu";
  out.push_back(unary(
      "silu", silu, [](double x) { return x / (1 + std::exp(-x)); }, -4, 4));
  out.push_back(unary(
      "mish", mish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }, -4, 4));
  out.push_back(unary(
      "softplus", [](const Tensor& x) { return softplus(x, 2, 30); },
      [](double x) { return std::log1p(std::exp(2 * x)) / 2; }, -3, 3));
  out.push_back(unary(
      "softsign", softsign, [](double x) { return x / (1 + std::abs(x)); }, -3, 3, 0.1));
  out.back().op = "abs";
  out.push_back(unary(
      "hardsigmoid", hardsigmoid, [](double x) { return (x + 3) / 6; }, -2.8, 2.8));
  out.push_back(unary(
      "hardswish", hardswish, [](double x) { return x * (x + 3) / 6; }, -2.8, 2.8));
  out.push_back(unary(
      "hardtanh", [](const Tensor& x) { return hardtanh(x); },
      [](double x) { return std::min(std::max(x, -1.0), 1.0); }, -0.9, 0.9));
  out.push_back({.name = "prelu",
                 .fn = [](const Inputs& in) { return prelu(in[0], in[1]); },
                 .inputs = {{{{2, 3, 2}, -2, 2, 0.1}, {{3}}}, {{{5}, -2, 2, 0.1}, {{1}}}},
                 .large = {{{30, 50, 41}, -2, 2, 0.1}, {{50}}}});
  out.push_back({.name = "glu",
                 .fn = [](const Inputs& in) { return glu(in[0]); },
                 .inputs = {{{{2, 4}}}, {{{0, 2}}}},
                 .large = {{{70, 1002}}},
                 .op = "sigmoid"});
  out.push_back(unary(
      "rrelu", [](const Tensor& x) { return rrelu(x, 0.1, 0.3); },
      [](double x) { return x > 0 ? x : 0.2 * x; }, -2, 2, 0.1));
  out.push_back({.name = "rrelu_training",
                 .fn =
                     [](const Inputs& in) {
                       manual_seed(3);
                       return rrelu(in[0], 0.1, 0.3, true);
                     },
                 .inputs = {{{{2, 3}, -2, 2, 0.1}}, {{{19}, -2, 2, 0.1}}},
                 .large = {{{70, 1001}, -2, 2, 0.1}},
                 .op = "rrelu",
                 .draws = true});
  return out;
}

}  // namespace tessera::test
