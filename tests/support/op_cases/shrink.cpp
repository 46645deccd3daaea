#include "tests/support/op_cases/rows.h"

namespace tessera::test {

std::vector<OpCase> shrink_cases() {
  std::vector<OpCase> out;
  out.push_back(unary(
      "threshold", [](const Tensor& x) { return threshold(x, 0, -1); },
      [](double x) { return x > 0 ? x : -1; }, -2, 2, 0.1));
  out.push_back(unary(
      "hardshrink", [](const Tensor& x) { return hardshrink(x, 0.7); },
      [](double x) { return std::abs(x) > 0.7 ? x : 0; }, -2, 2));
  out.push_back(unary(
      "softshrink", [](const Tensor& x) { return softshrink(x, 0.7); },
      [](double x) {
        if (std::abs(x) <= 0.7) return 0.0;
        return x > 0 ? x - 0.7 : x + 0.7;
      },
      -2, 2));
  out.push_back(unary(
      "tanhshrink", tanhshrink, [](double x) { return x - std::tanh(x); }, -3, 3));
  return out;
}

}  // namespace tessera::test
