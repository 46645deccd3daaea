// Arguments beyond the usual ones of operations in other families, and inputs without a batch.
#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

void add_losses(std::vector<OpCase>& out) {
  auto weighted = [&](std::string name, std::string op,
                      std::function<Tensor(const Inputs&, Reduction)> fn) {
    for (Reduction reduction : {Reduction::none, Reduction::mean}) {
      InputSpec x{{2, 3}, -2, 0};
      InputSpec target{{2, 3}, 0.1, 2};
      InputSpec weight{{2, 3}, 0.5, 2};
      OpCase row{.name = name + (reduction == Reduction::none ? "_weighted_none" : "_weighted"),
                 .fn = [=](const Inputs& in) { return fn(in, reduction); },
                 .inputs = {{x, target, weight}},
                 .op = op,
                 .tolerance_f32 = 2e-5};
      for (InputSpec* spec : {&x, &target, &weight}) spec->shape = {130, 301};
      row.large = {x, target, weight};
      out.push_back(std::move(row));
    }
  };
  weighted("mse_loss", "mse_loss",
           [](const Inputs& in, Reduction r) { return mse_loss(in[0], in[1], r, in[2]); });
  weighted("l1_loss", "l1_loss",
           [](const Inputs& in, Reduction r) { return l1_loss(in[0], in[1], r, in[2]); });
  weighted("huber_loss", "huber_loss",
           [](const Inputs& in, Reduction r) { return huber_loss(in[0], in[1], r, 1.5, in[2]); });
}

void add_numbers(std::vector<OpCase>& out) {
  auto last_op = [&](const char* op) { out.back().op = op; };
  out.push_back(binary(
      "add_alpha", [](const Tensor& a, const Tensor& b) { return add(a, b, 3); },
      [](double a, double b) { return a + 3 * b; }));
  last_op("add");
  out.push_back(binary(
      "sub_alpha", [](const Tensor& a, const Tensor& b) { return sub(a, b, -2); },
      [](double a, double b) { return a + 2 * b; }));
  last_op("sub");
  out.push_back(unary(
      "add_number_alpha", [](const Tensor& x) { return add(x, 2, 3); },
      [](double x) { return x + 6; }, -2, 2));
  last_op("add");
  out.push_back(unary(
      "remainder_of_number", [](const Tensor& x) { return remainder(7, x); },
      [](double x) { return 7 - x * std::floor(7 / x); }, 3.6, 4.4));
  last_op("remainder");
  out.push_back(unary(
      "floor_divide_of_number", [](const Tensor& x) { return floor_divide(7, x); },
      [](double x) { return std::floor(7 / x); }, 3.6, 4.4));
  last_op("floor_divide");
  out.push_back({.name = "clamp_tensor_number",
                 .fn = [](const Inputs& in) { return clamp(in[0], in[1], 0.1); },
                 .inputs = {{{{2, 3}, -1, 1, 0.2}, {{3}, -0.1, 0}}},
                 .large = {{{70, 1001}, -1, 1}, {{1001}, -0.3, 0}},
                 .op = "where"});
  out.push_back({.name = "clamp_number_tensor",
                 .fn = [](const Inputs& in) { return clamp(in[0], -0.1, in[1]); },
                 .inputs = {{{{2, 3}, -1, 1, 0.2}, {{2, 1}, 0, 0.1}}},
                 .large = {{{70, 1001}, -1, 1}, {{1001}, 0, 0.3}},
                 .op = "where"});
}

void add_linear(std::vector<OpCase>& out) {
  out.push_back({.name = "linear_vector",
                 .fn = [](const Inputs& in) { return linear(in[0], in[1]); },
                 .inputs = {{{{2, 3}}, {{3}}}, {{{3}}, {{3}}}, {{{2, 2, 3}}, {{3}}}},
                 .large = {{{400, 900}}, {{900}}},
                 .op = "linear",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
  out.push_back({.name = "linear_one_bias",
                 .fn = [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
                 .inputs = {{{{2, 3}}, {{4, 3}}, {{}}}, {{{2, 3}}, {{4, 3}}, {{1}}}},
                 .large = {{{400, 90}}, {{30, 90}}, {{1}}},
                 .op = "linear",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
}

void add_indices(std::vector<OpCase>& out) {
  out.push_back({.name = "index_add_alpha",
                 .fn =
                     [](const Inputs& in) {
                       Array at = indices({in[1].size(0)}, in[0].size(0));
                       return index_add(in[0], 0, at, in[1], -2);
                     },
                 .inputs = {{{{3, 3}}, {{4, 3}}}, {{{3}}, {{5}}}},
                 .large = {{{31}}, {{40000}}},
                 .op = "index_add",
                 .any_dtype = true});
  out.push_back({.name = "scatter_reduce_add",
                 .fn =
                     [](const Inputs& in) {
                       Array at = indices(in[1].shape(), in[0].size(1));
                       return scatter(in[0], 1, at, in[1], ScatterOp::add);
                     },
                 .inputs = {{{{3, 3}}, {{2, 4}}}},
                 .large = {{{300, 31}}, {{300, 301}}},
                 .op = "scatter_add",
                 .any_dtype = true});
  out.push_back(moves("take_along_dim_flat",
                      [](const Tensor& x) {
                        return take_along_dim(x, indices({2, 5}, x.numel()));
                      },
                      {{{{3, 3}}}, {{{}}}, {{{2, 1, 2}}}}, {{{300, 201}}}));
  out.back().op = "gather";
  for (auto [name, mode] : {std::pair{"pad_reflect_cut", PadMode::reflect},
                            std::pair{"pad_replicate_cut", PadMode::replicate},
                            std::pair{"pad_circular_cut", PadMode::circular}}) {
    out.push_back(moves(name,
                        [mode = mode](const Tensor& x) {
                          return pad(x, {-1, 2, 1, -1}, mode);
                        },
                        {{{{2, 3}}}, {{{2, 4, 3}}}}, {{{200, 201}}}));
    out.back().op = "pad";
  }
}

OpCase image(std::string name, std::string op, Unary fn, std::vector<InputSpecs> inputs,
             InputSpecs large) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0]); },
          .inputs = std::move(inputs),
          .large = std::move(large),
          .op = std::move(op)};
}

void add_pools(std::vector<OpCase>& out) {
  std::vector<InputSpecs> images{{{{2, 4, 5}}}, {{{1, 3, 4}}}};
  InputSpecs large{{{5, 13, 12}}};
  auto add = [&](std::string name, std::string op, Unary fn) {
    out.push_back(image(std::move(name), std::move(op), std::move(fn), images, large));
  };
  add("max_pool2d_one", "max_pool2d", [](const Tensor& x) { return max_pool2d(x, {2}); });
  add("avg_pool2d_one", "avg_pool2d", [](const Tensor& x) { return avg_pool2d(x, {2}); });
  out.back().cuts_integers = true;
  add("avg_pool2d_divisor", "avg_pool2d", [](const Tensor& x) {
    return avg_pool2d(x, {2}, {1}, {1}, false, true, /*divisor_override=*/3);
  });
  out.back().cuts_integers = true;
  add("adaptive_avg_pool2d_none", "adaptive_avg_pool2d", [](const Tensor& x) {
    return adaptive_avg_pool2d(x, {none, 3});
  });
  add("adaptive_max_pool2d_none", "adaptive_max_pool2d", [](const Tensor& x) {
    return adaptive_max_pool2d(x, {2, none});
  });
  std::vector<InputSpecs> sequences{{{{2, 5}}}, {{{1, 4}}}};
  InputSpecs long_one{{{7, 60}}};
  out.push_back(image(
      "max_pool1d_one", "max_pool1d", [](const Tensor& x) { return max_pool1d(x, 3, 2, 1); },
      sequences, long_one));
  out.push_back(image(
      "avg_pool1d_one", "avg_pool1d", [](const Tensor& x) { return avg_pool1d(x, 2); }, sequences,
      long_one));
  out.back().cuts_integers = true;
  out.push_back(image(
      "adaptive_max_pool1d", "adaptive_max_pool1d",
      [](const Tensor& x) { return adaptive_max_pool1d(x, 3); }, {{{{2, 5}}}, {{{2, 1, 4}}}},
      long_one));
}

void add_convolutions(std::vector<OpCase>& out) {
  auto add = [&](std::string name, std::string op, std::function<Tensor(const Inputs&)> fn,
                 InputSpecs inputs, InputSpecs large) {
    out.push_back({.name = std::move(name),
                   .fn = std::move(fn),
                   .inputs = {std::move(inputs)},
                   .large = std::move(large),
                   .op = std::move(op),
                   .tolerance_f32 = 2e-5});
  };
  add("conv2d_same", "conv2d",
      [](const Inputs& in) {
        return conv2d(in[0], in[1], in[2], {1}, ConvPadding::same, {2, 1});
      },
      {{{1, 2, 3, 4}}, {{3, 2, 2, 3}}, {{3}}}, {{{9, 6, 9, 8}}, {{8, 6, 3, 2}}, {{8}}});
  add("conv1d_same", "conv1d",
      [](const Inputs& in) { return conv1d(in[0], in[1], in[2], 1, ConvPadding::same); },
      {{{2, 2, 5}}, {{3, 2, 2}}, {{3}}}, {{{6, 5, 40}}, {{7, 5, 4}}, {{7}}});
  add("conv2d_one", "conv2d",
      [](const Inputs& in) { return conv2d(in[0], in[1], in[2], {1}, {1}); },
      {{{2, 3, 4}}, {{3, 2, 2, 3}}, {{3}}}, {{{6, 29, 18}}, {{8, 6, 3, 3}}, {{8}}});
  add("conv1d_one", "conv1d", [](const Inputs& in) { return conv1d(in[0], in[1], in[2], 2, 1); },
      {{{2, 5}}, {{3, 2, 3}}, {{3}}}, {{{5, 140}}, {{7, 5, 3}}, {{7}}});
  add("conv_transpose2d_one", "conv_transpose2d",
      [](const Inputs& in) { return conv_transpose2d(in[0], in[1], in[2], {2}, {1}, {1}); },
      {{{2, 2, 3}}, {{2, 3, 3, 2}}, {{3}}}, {{{8, 15, 16}}, {{8, 5, 3, 3}}, {{5}}});
}

void add_sizes(std::vector<OpCase>& out) {
  auto add = [&](std::string name, Unary fn, InputSpecs small, InputSpecs large) {
    out.push_back(image("interpolate_" + name, "interpolate", std::move(fn), {std::move(small)},
                        std::move(large)));
  };
  for (auto [name, mode] : {std::pair{"bilinear", Interpolation::bilinear},
                            std::pair{"bicubic", Interpolation::bicubic},
                            std::pair{"nearest", Interpolation::nearest}}) {
    add(std::string("scale_") + name,
        [mode = mode](const Tensor& x) {
          return interpolate(x, scale_factor({1.7, 0.6}), mode);
        },
        {{{1, 2, 3, 4}}}, {{{6, 5, 13, 11}}});
  }
  for (auto [name, mode] : {std::pair{"bilinear", Interpolation::bilinear},
                            std::pair{"bicubic", Interpolation::bicubic}}) {
    add(std::string("antialias_") + name,
        [mode = mode](const Tensor& x) {
          return interpolate(x, {2, 3}, mode, false, /*antialias=*/true);
        },
        {{{1, 1, 5, 4}}}, {{{6, 5, 13, 11}}});
  }
  for (auto [name, mode] : {std::pair{"trilinear", Interpolation::trilinear},
                            std::pair{"nearest_3d", Interpolation::nearest},
                            std::pair{"nearest_exact_3d", Interpolation::nearest_exact},
                            std::pair{"area_3d", Interpolation::area}}) {
    add(name,
        [mode = mode](const Tensor& x) {
          return interpolate(x, {3, 2, 4}, mode);
        },
        {{{1, 2, 2, 3, 2}}}, {{{4, 3, 7, 6, 5}}});
  }
  out.push_back(moves("pixel_shuffle_one", [](const Tensor& x) { return pixel_shuffle(x, 2); },
                      {{{{4, 2, 3}}}, {{{2, 1, 4, 1, 2}}}}, {{{16, 37, 16}}}));
  out.push_back(moves("pixel_unshuffle_one", [](const Tensor& x) { return pixel_unshuffle(x, 2); },
                      {{{{2, 2, 4}}}, {{{2, 1, 1, 2, 4}}}}, {{{14, 36, 16}}}));
}

}  // namespace

std::vector<OpCase> argument_cases() {
  std::vector<OpCase> out;
  add_losses(out);
  add_numbers(out);
  add_linear(out);
  add_indices(out);
  add_pools(out);
  add_convolutions(out);
  add_sizes(out);
  return out;
}

}  // namespace tessera::test
