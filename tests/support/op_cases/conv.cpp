#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

struct Geometry {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
};

// Every product of the definition, in one loop over the result.
Plain plain_conv2d(const Plains& in, const Geometry& g) {
  const Dims& x = in[0].shape;
  const Dims& k = in[1].shape;
  Dims out{x[0], k[0]};
  for (size_t d : {2, 3}) {
    out.push_back((x[d] + 2 * g.padding - g.dilation * (k[d] - 1) - 1) / g.stride + 1);
  }
  Plain result{out, {}};
  for (int64_t at = 0; at < num_elements(out); ++at) {
    int64_t col = at % out[3];
    int64_t row = at / out[3] % out[2];
    int64_t channel = at / out[3] / out[2] % out[1];
    int64_t image = at / out[3] / out[2] / out[1];
    double sum = in.size() > 2 ? in[2].values[static_cast<size_t>(channel)] : 0;
    for (int64_t i = 0; i < k[1] * k[2] * k[3]; ++i) {
      int64_t h = row * g.stride - g.padding + i / k[3] % k[2] * g.dilation;
      int64_t w = col * g.stride - g.padding + i % k[3] * g.dilation;
      if (h < 0 || h >= x[2] || w < 0 || w >= x[3]) continue;
      int64_t c = channel / (k[0] / g.groups) * k[1] + i / (k[2] * k[3]);
      auto from = static_cast<size_t>(((image * x[1] + c) * x[2] + h) * x[3] + w);
      auto weight = static_cast<size_t>(channel * k[1] * k[2] * k[3] + i);
      sum += in[0].values[from] * in[1].values[weight];
    }
    result.values.push_back(sum);
  }
  return result;
}

OpCase conv2d_case(std::string name, Geometry g, std::vector<InputSpecs> inputs, InputSpecs large) {
  return {.name = std::move(name),
          .fn =
              [g](const Inputs& in) {
                return conv2d(in[0], in[1], in.size() > 2 ? in[2] : Tensor(), {g.stride},
                              {g.padding, g.padding}, {g.dilation}, g.groups);
              },
          .inputs = std::move(inputs),
          .large = std::move(large),
          .reference = [g](const Plains& in) { return plain_conv2d(in, g); },
          .op = "conv2d",
          .tolerance_f32 = 2e-5};
}

}  // namespace

std::vector<OpCase> conv_cases() {
  std::vector<OpCase> out;
  out.push_back(conv2d_case("conv2d", {},
                            {{{{1, 2, 3, 4}}, {{3, 2, 2, 3}}, {{3}}},
                             {{{2, 1, 2, 2}}, {{1, 1, 1, 1}}},
                             {{{0, 2, 3, 3}}, {{2, 2, 3, 3}}, {{2}}}},
                            {{{9, 6, 9, 8}}, {{8, 6, 3, 3}}, {{8}}}));
  out.push_back(conv2d_case("conv2d_strided", {2, 1, 1, 1},
                            {{{{2, 2, 4, 5}}, {{2, 2, 3, 3}}, {{2}}}},
                            {{{5, 8, 12, 11}}, {{16, 8, 3, 3}}, {{16}}}));
  out.push_back(conv2d_case("conv2d_dilated", {1, 2, 2, 1}, {{{{1, 2, 4, 4}}, {{2, 2, 2, 3}}}},
                            {{{4, 3, 11, 12}}, {{8, 3, 3, 3}}}));
  out.push_back(conv2d_case("conv2d_grouped", {1, 1, 1, 2},
                            {{{{2, 4, 3, 3}}, {{2, 2, 2, 2}}, {{2}}}},
                            {{{3, 8, 9, 9}}, {{4, 4, 3, 3}}, {{4}}}));
  out.push_back(conv2d_case("conv2d_depthwise", {1, 1, 1, 3}, {{{{1, 3, 3, 3}}, {{3, 1, 3, 3}}}},
                            {{{3, 3, 12, 12}}, {{6, 1, 3, 3}}}));
  out.push_back({.name = "conv1d",
                 .fn = [](const Inputs& in) { return conv1d(in[0], in[1], in[2], 2, 1); },
                 .inputs = {{{{2, 2, 5}}, {{3, 2, 3}}, {{3}}}},
                 .large = {{{6, 5, 40}}, {{7, 5, 3}}, {{7}}},
                 .tolerance_f32 = 2e-5});
  out.push_back(
      {.name = "conv_transpose2d",
       .fn = [](const Inputs& in) { return conv_transpose2d(in[0], in[1], in[2], {2}, {1}, {1}); },
       .inputs = {{{{1, 2, 2, 3}}, {{2, 3, 3, 2}}, {{3}}}},
       .large = {{{4, 8, 5, 6}}, {{8, 5, 3, 3}}, {{5}}},
       .tolerance_f32 = 2e-5});
  out.push_back(
      {.name = "conv_transpose1d",
       .fn = [](const Inputs& in) { return conv_transpose1d(in[0], in[1], in[2], 2, 1, 1); },
       .inputs = {{{{1, 2, 3}}, {{2, 3, 3}}, {{3}}}},
       .large = {{{4, 8, 30}}, {{8, 5, 3}}, {{5}}},
       .tolerance_f32 = 2e-5});
  return out;
}

}  // namespace tessera::test
