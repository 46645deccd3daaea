#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// true for every third element; on the device of x
Array mask_of(const Dims& shape, const Tensor& x) {
  Array out = Array::empty(shape, DType::boolean);
  for (int64_t i = 0; i < out.numel(); ++i) out.data<bool>()[i] = i % 3 == 0;
  return out.to(x.device());
}

}  // namespace

std::vector<OpCase> where_cases() {
  std::vector<OpCase> out;
  out.push_back(binary("maximum", maximum, [](double a, double b) { return std::max(a, b); }));
  out.push_back(binary("minimum", minimum, [](double a, double b) { return std::min(a, b); }));
  out.push_back(binary("fmax", fmax, [](double a, double b) { return std::fmax(a, b); }));
  out.push_back(binary("fmin", fmin, [](double a, double b) { return std::fmin(a, b); }));
  out.push_back({.name = "where",
                 .fn =
                     [](const Inputs& in) {
                       return where(mask_of({in[0].size(0), 1}, in[0]), in[0], in[1]);
                     },
                 .inputs = {{{{4, 3}}, {{3}}}, {{{4, 1}}, {{1, 2}}}, {{{0, 2}}, {{2}}}},
                 .large = {{{70, 1001}}, {{1001}}},
                 .any_dtype = true});
  out.push_back({.name = "where_number",
                 .fn =
                     [](const Inputs& in) {
                       return where(mask_of(in[0].shape(), in[0]), 2,
                                    where(mask_of({3}, in[0]), in[0], 1));
                     },
                 .inputs = {{{{4, 3}}}, {{{1, 3}}}},
                 .large = {{{70, 1001, 3}}},
                 .op = "where",
                 .any_dtype = true});
  out.push_back({.name = "masked_fill",
                 .fn = [](const Inputs& in) { return masked_fill(in[0], mask_of({3}, in[0]), 7); },
                 .inputs = {{{{4, 3}}}, {{{0, 3}}}},
                 .large = {{{23333, 3}}},
                 .any_dtype = true});
  out.push_back(unary(
      "clamp", [](const Tensor& x) { return clamp(x, 0.9, 1.9); },
      [](double x) { return std::min(std::max(x, 0.9), 1.9); }, 1, 1.8));
  out.push_back(unary(
      "clamp_low", [](const Tensor& x) { return clamp(x, 0.0, {}); },
      [](double x) { return std::max(x, 0.0); }, -2, 2, 0.1));
  out.back().op = "clamp";
  out.push_back({.name = "clamp_tensors",
                 .fn = [](const Inputs& in) { return clamp(in[0], in[1], in[2]); },
                 .inputs = {{{{2, 3}, -1, 1, 0.2}, {{3}, -0.1, 0}, {{2, 1}, 0.05, 0.1}}},
                 .large = {{{70, 1001}, -1, 1}, {{1001}, -0.3, 0}, {{70, 1}, 0, 0.3}},
                 .op = "clamp"});
  out.push_back(unary(
      "nan_to_num", [](const Tensor& x) { return nan_to_num(x); }, [](double x) { return x; }, -2,
      2));
  return out;
}

}  // namespace tessera::test
