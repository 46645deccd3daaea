#include "tests/support/op_cases/rows.h"

namespace tessera::test {
std::vector<OpCase> transcendental_cases() {
  std::vector<OpCase> out;
  out.push_back(unary(
      "exp", exp, [](double x) { return std::exp(x); }, -3, 3));
  out.push_back(unary(
      "exp2", exp2, [](double x) { return std::exp2(x); }, -3, 3));
  out.push_back(unary(
      "expm1", expm1, [](double x) { return std::expm1(x); }, -2, 2));
  out.push_back(unary(
      "log", log, [](double x) { return std::log(x); }, 0.2, 4));
  out.push_back(unary(
      "log2", log2, [](double x) { return std::log2(x); }, 0.2, 4));
  out.push_back(unary(
      "log10", log10, [](double x) { return std::log10(x); }, 0.2, 4));
  out.push_back(unary(
      "log1p", log1p, [](double x) { return std::log1p(x); }, -0.7, 3));
  out.push_back(unary(
      "sin", sin, [](double x) { return std::sin(x); }, -4, 4));
  out.push_back(unary(
      "cos", cos, [](double x) { return std::cos(x); }, -4, 4));
  out.push_back(unary(
      "tan", tan, [](double x) { return std::tan(x); }, -1, 1));
  out.push_back(unary(
      "asin", asin, [](double x) { return std::asin(x); }, -0.8, 0.8));
  out.push_back(unary(
      "acos", acos, [](double x) { return std::acos(x); }, -0.8, 0.8));
  out.push_back(unary(
      "atan", atan, [](double x) { return std::atan(x); }, -3, 3));
  out.push_back(unary(
      "sinh", sinh, [](double x) { return std::sinh(x); }, -2, 2));
  out.push_back(unary(
      "cosh", cosh, [](double x) { return std::cosh(x); }, -2, 2));
  out.push_back(unary(
      "tanh", tanh, [](double x) { return std::tanh(x); }, -3, 3));
  out.push_back(unary(
      "asinh", asinh, [](double x) { return std::asinh(x); }, -3, 3));
  out.push_back(unary(
      "acosh", acosh, [](double x) { return std::acosh(x); }, 1.3, 4));
  out.push_back(unary(
      "atanh", atanh, [](double x) { return std::atanh(x); }, -0.8, 0.8));
  out.push_back(unary(
      "erf", erf, [](double x) { return std::erf(x); }, -2, 2));
  out.push_back(unary(
      "erfc", erfc, [](double x) { return std::erfc(x); }, -2, 2));
  out.push_back(unary(
      "lgamma", lgamma, [](double x) { return std::lgamma(x); }, 0.4, 4));
  // The reference goes the other way: erf(erfinv(x)) = x.
  out.push_back(unary(
      "erfinv", [](const Tensor& x) { return erf(erfinv(x)); }, [](double x) { return x; }, -0.8,
      0.8));
  out.push_back({.name = "digamma",
                 .fn = [](const Inputs& in) { return digamma(in[0]); },
                 .inputs = {{{{2, 3}, 0.4, 4}}, {{{}, 0.4, 4}}},
                 .large = {{{70, 1001}, 0.4, 4}}});
  out.push_back(binary("logaddexp", logaddexp,
                       [](double a, double b) { return std::log(std::exp(a) + std::exp(b)); }));
  out.push_back(binary("logaddexp2", logaddexp2,
                       [](double a, double b) { return std::log2(std::exp2(a) + std::exp2(b)); }));
  out.push_back(binary(
      "atan2", atan2, [](double a, double b) { return std::atan2(a, b); }, 0.4, 2));
  return out;
}

}  // namespace tessera::test
