#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// Rows whose first operand is positive: base and power.
OpCase positive_base(OpCase row) {
  for (InputSpecs& specs : row.inputs) {
    specs[0].low = 0.4;
    specs[0].high = 2;
  }
  row.large[0].low = 0.4;
  row.large[0].high = 2;
  return row;
}

OpCase three(std::string name, std::function<Tensor(const Inputs&)> fn) {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = {{{{2, 3}}, {{3}}, {{2, 1}, 0.3, 0.45}}, {{{}}, {{2}}, {{1}, 0.6, 0.9}}},
          .large = {{{70, 1001}}, {{1001}}, {{70, 1}, 0.6, 0.9}}};
}

void add_with_numbers(std::vector<OpCase>& out) {
  out.push_back(unary(
      "add_number", [](const Tensor& x) { return x + 2.5; }, [](double x) { return x + 2.5; }, -2,
      2));
  out.back().op = "add";
  out.push_back(unary(
      "sub_number", [](const Tensor& x) { return x - 1.5; }, [](double x) { return x - 1.5; }, -2,
      2));
  out.back().op = "sub";
  out.push_back(unary(
      "number_sub", [](const Tensor& x) { return 3.5 - x; }, [](double x) { return 3.5 - x; }, -2,
      2));
  out.back().op = "sub";
  out.push_back(unary(
      "mul_number", [](const Tensor& x) { return x * -2.5; }, [](double x) { return x * -2.5; }, -2,
      2));
  out.back().op = "mul";
  out.push_back(unary(
      "div_number", [](const Tensor& x) { return x / 3; }, [](double x) { return x / 3; }, -2, 2));
  out.back().op = "div";
  out.push_back(unary(
      "number_div", [](const Tensor& x) { return 3 / x; }, [](double x) { return 3 / x; }, -2, 2,
      0.4));
  out.back().op = "div";
  out.push_back(unary(
      "affine", [](const Tensor& x) { return affine(x, 3, -0.5); },
      [](double x) { return 3 * x - 0.5; }, -2, 2));
  out.push_back(unary(
      "pow_3", [](const Tensor& x) { return pow(x, 3); }, [](double x) { return x * x * x; }, -2, 2,
      0.2));
  out.back().op = "pow";
  out.push_back(unary(
      "pow_2", [](const Tensor& x) { return pow(x, 2); }, [](double x) { return x * x; }, -2, 2));
  out.back().op = "pow";
  out.push_back(unary(
      "pow_half", [](const Tensor& x) { return pow(x, 0.5); },
      [](double x) { return std::sqrt(x); }, 0.3, 3));
  out.back().op = "pow";
  out.push_back(unary(
      "pow_fraction", [](const Tensor& x) { return pow(x, -1.7); },
      [](double x) { return std::pow(x, -1.7); }, 0.4, 3));
  out.back().op = "pow";
  out.push_back(unary(
      "number_pow", [](const Tensor& x) { return pow(2.5, x); },
      [](double x) { return std::pow(2.5, x); }, -2, 2));
  out.back().op = "pow";
  out.push_back(unary(
      "remainder_number", [](const Tensor& x) { return remainder(x, 5); },
      [](double x) { return x; }, 0.5, 4.5));
  out.back().op = "remainder";
  out.push_back(unary(
      "fmod_number", [](const Tensor& x) { return fmod(x, 5); }, [](double x) { return x; }, 0.5,
      4.5));
  out.back().op = "fmod";
  out.push_back(unary(
      "floor_divide_number", [](const Tensor& x) { return floor_divide(x, 5); },
      [](double x) { return 0.0 * x; }, 0.5, 4.5));
  out.back().op = "floor_divide";
}

void add_pairs(std::vector<OpCase>& out) {
  out.push_back(binary("add", add, [](double a, double b) { return a + b; }));
  out.push_back(binary("sub", sub, [](double a, double b) { return a - b; }));
  out.push_back(binary("mul", mul, [](double a, double b) { return a * b; }));
  out.push_back(binary(
      "div", div, [](double a, double b) { return a / b; }, -2, 2, 0.5));
  out.push_back(positive_base(binary(
      "remainder", remainder, [](double a, double b) { return a - b * std::floor(a / b); }, 3, 4)));
  out.push_back(positive_base(binary(
      "fmod", fmod, [](double a, double b) { return std::fmod(a, b); }, 3, 4)));
  out.push_back(positive_base(binary(
      "floor_divide", floor_divide, [](double a, double b) { return std::floor(a / b); }, 3, 4)));
  out.push_back(positive_base(binary(
      "trunc_divide", trunc_divide, [](double a, double b) { return std::trunc(a / b); }, 3, 4)));
  out.push_back(positive_base(binary(
      "pow", pow, [](double a, double b) { return std::pow(a, b); }, -2, 2, 0.2)));
  out.push_back(
      three("addcmul", [](const Inputs& in) { return addcmul(in[0], in[1], in[2], 0.5); }));
  out.push_back(three("addcdiv", [](const Inputs& in) { return addcdiv(in[0], in[1], in[2], 2); }));
  out.push_back(three("lerp", [](const Inputs& in) { return lerp(in[0], in[1], in[2]); }));
  out.push_back(binary(
      "lerp_number", [](const Tensor& a, const Tensor& b) { return lerp(a, b, 0.3); },
      [](double a, double b) { return a + 0.3 * (b - a); }));
  out.back().op = "sub";
}

}  // namespace

std::vector<OpCase> arithmetic_cases() {
  std::vector<OpCase> out;
  add_with_numbers(out);
  add_pairs(out);
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
      "rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0.2, 4));
  out.push_back(unary(
      "reciprocal", reciprocal, [](double x) { return 1 / x; }, -2, 2, 0.3));
  out.push_back(unary(
      "frac", frac, [](double x) { return x - std::trunc(x); }, 0.1, 0.9));
  out.push_back(unary(
      "floor", floor, [](double x) { return std::floor(x); }, 1.1, 1.9));
  out.push_back(unary(
      "ceil", ceil, [](double x) { return std::ceil(x); }, 1.1, 1.9));
  out.push_back(unary(
      "round", round, [](double x) { return std::nearbyint(x); }, 0.6, 1.4));
  out.push_back(unary(
      "trunc", trunc, [](double x) { return std::trunc(x); }, 1.1, 1.9));
  return out;
}

}  // namespace tessera::test
