#include "tests/support/op_cases/rows.h"

namespace tessera::test {

namespace {

OpCase grid_case(std::string name, GridInterpolation mode, GridPadding padding, bool align) {
  return {.name = "grid_sample_" + name,
          .fn = [=](const Inputs& in) { return grid_sample(in[0], in[1], mode, padding, align); },
          .inputs = {{{{1, 2, 3, 4}}, {{1, 2, 3, 2}, -1.4, 1.4}},
                     {{{2, 1, 1, 2}}, {{2, 1, 1, 2}, -0.9, 0.9}},
                     {{{1, 2, 3, 4}}, {{1, 0, 3, 2}}}},
          .large = {{{3, 4, 33, 21}}, {{3, 60, 40, 2}, -1.4, 1.4}},
          .op = "grid_sample",
          .tolerance_f32 = 1e-4};
}

void add_grids(std::vector<OpCase>& out) {
  using enum GridInterpolation;
  using enum GridPadding;
  out.push_back(grid_case("bilinear", bilinear, zeros, false));
  out.push_back(grid_case("border", bilinear, border, true));
  out.push_back(grid_case("reflection", bilinear, reflection, false));
  out.push_back(grid_case("nearest", nearest, zeros, false));
  out.push_back(grid_case("bicubic", bicubic, zeros, true));
  OpCase volume = grid_case("volume", bilinear, zeros, false);
  volume.inputs = {{{{1, 2, 2, 3, 2}}, {{1, 1, 2, 2, 3}, -1.4, 1.4}}};
  volume.large = {{{2, 3, 5, 9, 7}}, {{2, 7, 12, 15, 3}, -1.4, 1.4}};
  out.push_back(volume);
  out.push_back(
      {.name = "affine_grid",
       .fn =
           [](const Inputs& in) {
             bool image = in[0].size(1) == 2;
             Dims size = image ? Dims{in[0].size(0), 1, 20, 3} : Dims{in[0].size(0), 1, 2, 3, 2};
             return affine_grid(in[0], size);
           },
       .inputs = {{{{2, 2, 3}}}, {{{1, 3, 4}}}},
       .large = {{{40, 2, 3}}},
       .layout_changes_bits = true});
}

}  // namespace

std::vector<OpCase> interpolate_cases() {
  std::vector<OpCase> out;
  auto add = [&](std::string name, Interpolation mode, bool align_corners) {
    out.push_back({.name = "interpolate_" + name,
                   .fn =
                       [=](const Inputs& in) {
                         return interpolate(in[0], {5, 3}, mode, align_corners);
                       },
                   .inputs = {{{{1, 2, 3, 4}}}, {{{2, 1, 1, 2}}}, {{{0, 2, 3, 3}}}},
                   .large = {{{6, 5, 13, 11}}},
                   .op = "interpolate"});
  };
  add("nearest", Interpolation::nearest, false);
  add("area", Interpolation::area, false);
  add("bilinear", Interpolation::bilinear, false);
  add("bilinear_aligned", Interpolation::bilinear, true);
  add("bicubic", Interpolation::bicubic, false);
  add("bicubic_aligned", Interpolation::bicubic, true);
  out.push_back(
      {.name = "interpolate_linear",
       .fn = [](const Inputs& in) { return interpolate(in[0], {4}, Interpolation::linear); },
       .inputs = {{{{1, 2, 3}}}},
       .large = {{{6, 5, 130}}},
       // Twice as long and more: the weights are quarters and eighths.
       .reference =
           [](const Plains& in) {
             Plain y{{in[0].shape[0], in[0].shape[1], 4}, {}};
             for (size_t i = 0; i < in[0].values.size(); i += 3) {
               const double* x = in[0].values.data() + i;
               y.values.insert(y.values.end(), {x[0], 0.375 * x[0] + 0.625 * x[1],
                                                0.625 * x[1] + 0.375 * x[2], x[2]});
             }
             return y;
           },
       .op = "interpolate"});
  add_grids(out);
  out.push_back(moves("pixel_shuffle", [](const Tensor& x) { return pixel_shuffle(x, 2); },
                      {{{{1, 8, 2, 3}}}, {{{0, 4, 2, 2}}}}, {{{3, 16, 7, 6}}}));
  out.push_back(moves("pixel_unshuffle", [](const Tensor& x) { return pixel_unshuffle(x, 2); },
                      {{{{1, 2, 4, 6}}}, {{{0, 4, 2, 2}}}}, {{{3, 4, 14, 6}}}));
  out.push_back(moves("channel_shuffle", [](const Tensor& x) { return channel_shuffle(x, 2); },
                      {{{{1, 4, 3}}}, {{{2, 6, 2, 1}}}, {{{0, 2, 2}}}}, {{{3, 16, 7, 6}}}));
  return out;
}

}  // namespace tessera::test
