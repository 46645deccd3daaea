#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

void add_volume_convolutions(std::vector<OpCase>& out) {
  out.push_back({.name = "conv3d",
                 .fn =
                     [](const Inputs& in) {
                       return conv3d(in[0], in[1], in[2], {2, 1, 1}, {1, 0, 1}, {1}, 2);
                     },
                 .inputs = {{{{1, 2, 3, 3, 2}}, {{2, 1, 2, 2, 2}}, {{2}}}},
                 .large = {{{3, 8, 6, 7, 8}}, {{6, 4, 3, 3, 3}}, {{6}}},
                 .tolerance_f32 = 2e-5});
  out.push_back({.name = "conv3d_dilated",
                 .fn = [](const Inputs& in) { return conv3d(in[0], in[1], {}, {1}, {1}, {2}); },
                 .inputs = {{{{1, 1, 3, 3, 3}}, {{1, 1, 2, 2, 2}}}},
                 .large = {{{2, 4, 6, 7, 8}}, {{6, 4, 3, 2, 3}}},
                 .op = "conv3d",
                 .tolerance_f32 = 2e-5});
  out.push_back(
      {.name = "conv_transpose3d",
       .fn = [](const Inputs& in) { return conv_transpose3d(in[0], in[1], in[2], {2}, {1}, {1}); },
       .inputs = {{{{1, 2, 2, 2, 1}}, {{2, 1, 3, 2, 2}}, {{1}}}},
       .large = {{{2, 8, 4, 5, 6}}, {{8, 5, 3, 3, 2}}, {{5}}},
       .tolerance_f32 = 2e-5});
}

OpCase volume_pool(std::string name, std::string op, Unary fn) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0]); },
          .inputs = {{{{1, 2, 3, 2, 4}}}, {{{2, 2, 3, 2}}}},
          .large = {{{3, 2, 9, 8, 7}}},
          .op = std::move(op)};
}

}  // namespace

std::vector<OpCase> volume_cases() {
  std::vector<OpCase> out;
  add_volume_convolutions(out);
  out.push_back(volume_pool("max_pool3d", "max_pool3d", [](const Tensor& x) {
    return max_pool3d(x, {2}, {2, 1, 2}, {1}, {1}, true);
  }));
  out.push_back(volume_pool("avg_pool3d", "avg_pool3d", [](const Tensor& x) {
    return avg_pool3d(x, {2}, {2, 1, 2}, {1}, true, false);
  }));
  out.push_back(volume_pool("avg_pool3d_padded", "avg_pool3d",
                            [](const Tensor& x) { return avg_pool3d(x, {2}, {1}, {1}); }));
  out.push_back(volume_pool("adaptive_avg_pool3d", "adaptive_avg_pool3d", [](const Tensor& x) {
    return adaptive_avg_pool3d(x, {2, std::nullopt, 3});
  }));
  out.push_back(volume_pool("adaptive_max_pool3d", "adaptive_max_pool3d", [](const Tensor& x) {
    return adaptive_max_pool3d(x, {2, std::nullopt, 3});
  }));
  return out;
}

}  // namespace tessera::test
