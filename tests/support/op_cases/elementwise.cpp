#include "tests/support/op_cases/rows.h"

namespace tessera::test {
std::vector<OpCase> elementwise_cases() {
  std::vector<OpCase> out;
  out.push_back(binary("add", add, [](double a, double b) { return a + b; }));
  out.push_back(binary("sub", sub, [](double a, double b) { return a - b; }));
  out.push_back(binary("mul", mul, [](double a, double b) { return a * b; }));
  out.push_back(binary(
      "div", div, [](double a, double b) { return a / b; }, -2, 2, 0.5));
  out.push_back(binary("maximum", maximum, [](double a, double b) { return std::max(a, b); }));
  out.push_back(binary("minimum", minimum, [](double a, double b) { return std::min(a, b); }));
  out.push_back(unary(
      "affine", [](const Tensor& x) { return affine(x, 3, -0.5); },
      [](double x) { return 3 * x - 0.5; }, -2, 2));
  out.push_back(unary(
      "neg", neg, [](double x) { return -x; }, -2, 2));
  out.push_back(unary(
      "abs", abs, [](double x) { return std::abs(x); }, -2, 2, 0.1));
  out.push_back(unary(
      "sign", sign, [](double x) { return x < 0 ? -1.0 : 1.0; }, -2, 2, 0.1));
  out.push_back(unary(
      "square", square, [](double x) { return x * x; }, -2, 2));
  out.push_back(unary(
      "sqrt", sqrt, [](double x) { return std::sqrt(x); }, 0.2, 4));
  out.push_back(unary(
      "exp", exp, [](double x) { return std::exp(x); }, -3, 3));
  out.push_back(unary(
      "log", log, [](double x) { return std::log(x); }, 0.2, 4));
  out.push_back(unary(
      "reciprocal", reciprocal, [](double x) { return 1 / x; }, -2, 2, 0.3));
  out.push_back(unary(
      "tanh", tanh, [](double x) { return std::tanh(x); }, -3, 3));
  out.push_back(unary(
      "sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -5, 5));
  out.push_back(unary(
      "relu", relu, [](double x) { return std::max(x, 0.0); }, -2, 2, 0.1));
  out.push_back(unary(
      "gelu", gelu, [](double x) { return x * 0.5 * std::erfc(-x * M_SQRT1_2); }, -4, 4));
  return out;
}

}  // namespace tessera::test
