#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

Plain plain_layer_norm(const Plains& in) {
  Plain out = in[0];
  auto cols = static_cast<size_t>(in[0].shape.back());
  auto n = static_cast<double>(cols);
  for (size_t i = 0; i < out.values.size(); i += cols) {
    double* row = out.values.data() + i;
    double mean = 0;
    double variance = 0;
    for (size_t j = 0; j < cols; ++j) mean += row[j] / n;
    for (size_t j = 0; j < cols; ++j) variance += (row[j] - mean) * (row[j] - mean) / n;
    for (size_t j = 0; j < cols; ++j) {
      row[j] = (row[j] - mean) / std::sqrt(variance + 1e-5) * in[1].values[j] + in[2].values[j];
    }
  }
  return out;
}

}  // namespace

std::vector<OpCase> softmax_cases() {
  std::vector<OpCase> out;
  auto softmax_like = [&](std::string name, Tensor (*fn)(TensorArg, int64_t), auto reference) {
    out.push_back({.name = name,
                   .fn = [fn](const Inputs& in) { return fn(in[0], -1); },
                   .inputs = {{{{2, 3}}}, {{{1}}}, {{{2, 2, 2}}}, {{{0, 3}}}},
                   .large = {{{300, 257}}},
                   .reference = each_row(reference)});
    out.push_back({.name = name + "_first_dim",
                   .fn = [fn](const Inputs& in) { return fn(in[0], 0); },
                   .inputs = {{{{2, 3}}}, {{{}}}, {{{3, 1, 2}}}},
                   .large = {{{130, 300}}},
                   .op = name});
  };
  softmax_like("softmax", softmax, plain_softmax);
  softmax_like("log_softmax", log_softmax, plain_log_softmax);
  out.push_back({.name = "layer_norm",
                 .fn = [](const Inputs& in) { return layer_norm(in[0], in[1], in[2]); },
                 .inputs = {{{{3, 4}}, {{4}}, {{4}}},
                            {{{5}}, {{5}}, {{5}}},
                            {{{2, 1, 3}}, {{3}}, {{3}}},
                            {{{0, 3}}, {{3}}, {{3}}}},
                 .large = {{{700, 130}}, {{130}}, {{130}}},
                 .reference = plain_layer_norm,
                 .twice_differentiable = false,
                 .tolerance_f32 = 5e-5});
  out.push_back({.name = "embedding",
                 .fn =
                     [](const Inputs& in) {
                       int64_t rows = in[0].size(0);
                       return embedding(in[0], Tensor(indices({2, 2 * rows}, rows)));
                     },
                 .inputs = {{{{4, 3}}}, {{{1, 1}}}, {{{3, 0}}}},
                 .large = {{{300, 200}}},
                 .any_dtype = true,
                 .twice_differentiable = false});
  return out;
}

}  // namespace tessera::test
