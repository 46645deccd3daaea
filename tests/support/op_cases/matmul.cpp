#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// (..., M, K) x (..., K, N), leading dims broadcast; both of two dims or more.
Plain plain_matmul(const Plains& in) {
  const Plain& a = in[0];
  const Plain& b = in[1];
  auto lead = [](const Dims& s) { return Dims(std::span(s.data(), s.size() - 2)); };
  int64_t m = a.shape[a.shape.size() - 2];
  int64_t k = a.shape.back();
  int64_t n = b.shape.back();
  Plain out{broadcast_shapes(lead(a.shape), lead(b.shape), "reference"), {}};
  auto batch = static_cast<size_t>(num_elements(out.shape));
  for (size_t i = 0; i < batch; ++i) {
    const double* x = a.values.data() +
                      static_cast<int64_t>(broadcast_index(i, out.shape, lead(a.shape))) * m * k;
    const double* y = b.values.data() +
                      static_cast<int64_t>(broadcast_index(i, out.shape, lead(b.shape))) * k * n;
    for (int64_t row = 0; row < m; ++row) {
      for (int64_t col = 0; col < n; ++col) {
        double sum = 0;
        for (int64_t j = 0; j < k; ++j) sum += x[row * k + j] * y[j * n + col];
        out.values.push_back(sum);
      }
    }
  }
  out.shape.push_back(m);
  out.shape.push_back(n);
  return out;
}

// x weight^T + bias
Plain plain_linear(const Plains& in) {
  auto inner = static_cast<size_t>(in[1].shape[1]);
  auto outer = static_cast<size_t>(in[1].shape[0]);
  Plain out{in[0].shape, {}};
  out.shape.back() = in[1].shape[0];
  auto rows = static_cast<size_t>(num_elements(leading(in[0].shape)));
  for (size_t row = 0; row < rows; ++row) {
    for (size_t o = 0; o < outer; ++o) {
      double sum = in.size() > 2 ? in[2].values[o] : 0;
      for (size_t i = 0; i < inner; ++i) {
        sum += in[0].values[row * inner + i] * in[1].values[o * inner + i];
      }
      out.values.push_back(sum);
    }
  }
  return out;
}

}  // namespace

std::vector<OpCase> matmul_cases() {
  std::vector<OpCase> out;
  out.push_back({.name = "matmul",
                 .fn = [](const Inputs& in) { return matmul(in[0], in[1]); },
                 .inputs = {{{{2, 3}}, {{3, 2}}},
                            {{{1, 3}}, {{3, 1}}},
                            {{{2, 2, 3}}, {{3, 2}}},
                            {{{2, 2, 3}}, {{2, 3, 1}}},
                            {{{2, 1, 2, 3}}, {{2, 3, 2}}},
                            {{{2, 3}}, {{2, 3, 2}}},
                            {{{2, 0}}, {{0, 2}}}},
                 .large = {{{400, 150}}, {{150, 130}}},
                 .reference = plain_matmul,
                 .layout_changes_bits = true,
                 .tolerance_f32 = 3e-5});
  out.push_back({.name = "matmul_batch",
                 .fn = [](const Inputs& in) { return matmul(in[0], in[1]); },
                 .inputs = {{{{3, 1, 2}}, {{3, 2, 1}}}},
                 .large = {{{12, 40, 50}}, {{50, 30}}},
                 .reference = plain_matmul,
                 .op = "matmul",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 3e-5});
  out.push_back({.name = "matmul_vector",
                 .fn = [](const Inputs& in) { return matmul(in[0], in[1]); },
                 .inputs = {{{{3}}, {{3}}},
                            {{{3}}, {{3, 2}}},
                            {{{2, 3}}, {{3}}},
                            {{{2, 2, 3}}, {{3}}},
                            {{{3}}, {{2, 3, 2}}}},
                 .large = {{{400, 900}}, {{900}}},
                 .op = "matmul",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
  out.push_back({.name = "linear",
                 .fn = [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
                 .inputs = {{{{2, 3}}, {{4, 3}}, {{4}}},
                            {{{3}}, {{2, 3}}, {{2}}},
                            {{{2, 2, 1}}, {{1, 1}}, {{1}}},
                            {{{0, 3}}, {{2, 3}}, {{2}}},
                            {{{2, 0}}, {{2, 0}}, {{2}}},
                            {{{2, 3}}, {{0, 3}}, {{0}}}},
                 .large = {{{500, 150}}, {{130, 150}}, {{130}}},
                 .reference = plain_linear,
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
  out.push_back({.name = "linear_no_bias",
                 .fn = [](const Inputs& in) { return linear(in[0], in[1]); },
                 .inputs = {{{{2, 3}}, {{4, 3}}}, {{{2, 2, 3}}, {{1, 3}}}},
                 .large = {{{70, 2500}}, {{30, 2500}}},
                 .reference = plain_linear,
                 .op = "linear",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
  return out;
}

}  // namespace tessera::test
