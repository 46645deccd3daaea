#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

OpCase named(OpCase row, std::string op) {
  row.op = std::move(op);
  return row;
}

OpCase polygamma_row(int64_t n) {
  return {.name = "polygamma_" + std::to_string(n),
          .fn = [n](const Inputs& in) { return polygamma(n, in[0]); },
          .inputs = {{{{2, 3}, 0.4, 4}}, {{{}, 0.4, 4}}, {{{5}, -0.8, -0.2}}, {{{0, 2}}}},
          .large = {{{70, 101}, 0.4, 4}}};
}

// float_power's result is of f64 whatever x is; the table's tests want x's dtype.
Tensor of_own_dtype(const Tensor& y, const Tensor& x) {
  return is_floating(x.dtype()) ? to(y, x.dtype()) : y;
}

}  // namespace

std::vector<OpCase> special_cases() {
  std::vector<OpCase> out;
  auto plain_logit = [](double x) { return std::log(x / (1 - x)); };
  out.push_back(unary(
      "logit", [](const Tensor& x) { return logit(x); }, plain_logit, 0.1, 0.9));
  out.push_back(
      named(unary(
                "logit_eps", [](const Tensor& x) { return logit(x, 0.05); }, plain_logit, 0.1, 0.9),
            "logit"));
  out.push_back(binary(
      "xlogy", xlogy, [](double a, double b) { return a * std::log(b); }, 0.4, 3));
  out.push_back(named(unary(
                          "xlogy_number", [](const Tensor& x) { return xlogy(x, 2.5); },
                          [](double x) { return x * std::log(2.5); }, -2, 2),
                      "xlogy"));
  out.push_back(named(unary(
                          "number_xlogy", [](const Tensor& x) { return xlogy(2.5, x); },
                          [](double x) { return 2.5 * std::log(x); }, 0.3, 3),
                      "xlogy"));
  out.push_back(binary(
      "hypot", hypot, [](double a, double b) { return std::hypot(a, b); }, 0.4, 2));
  out.push_back(binary(
      "copysign", copysign, [](double a, double b) { return std::copysign(a, b); }, -2, 2, 0.3));
  out.push_back(named(unary(
                          "copysign_number", [](const Tensor& x) { return copysign(x, -0.0); },
                          [](double x) { return -std::abs(x); }, -2, 2, 0.3),
                      "copysign"));
  out.push_back(unary(
      "sinc", sinc, [](double x) { return std::sin(M_PI * x) / (M_PI * x); }, -2, 2, 1e-3));
  out.push_back(
      named(unary(
                "float_power", [](const Tensor& x) { return of_own_dtype(float_power(x, 2.5), x); },
                [](double x) { return std::pow(x, 2.5); }, 0.4, 3),
            "pow"));
  for (int64_t n : {1, 2, 3}) out.push_back(named(polygamma_row(n), "polygamma"));
  out.push_back(named(unary(
                          "round_decimals", [](const Tensor& x) { return round(x, -1); },
                          [](double x) { return x > 0 ? 10.0 : -10.0; }, 5.5, 14.5),
                      "round"));
  return out;
}

}  // namespace tessera::test
