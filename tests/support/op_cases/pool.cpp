#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

OpCase image_case(std::string name, std::string op, Unary fn, std::vector<InputSpecs> inputs,
                  PlainFunction reference = nullptr) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0]); },
          .inputs = std::move(inputs),
          .large = {{{5, 3, 13, 12}}},
          .reference = std::move(reference),
          .op = std::move(op)};
}

// Windows of 2 x 2 that do not overlap, joined by fn.
PlainFunction each_square(double (*fn)(double, double, double, double)) {
  return [fn](const Plains& in) {
    const Dims& s = in[0].shape;
    Plain out{{s[0], s[1], s[2] / 2, s[3] / 2}, {}};
    auto width = static_cast<size_t>(s[3]);
    for (int64_t plane = 0; plane < s[0] * s[1]; ++plane) {
      const double* x = in[0].values.data() + plane * s[2] * s[3];
      for (int64_t i = 0; i < s[2] / 2; ++i) {
        for (int64_t j = 0; j < s[3] / 2; ++j) {
          const double* at = x + 2 * i * s[3] + 2 * j;
          out.values.push_back(fn(at[0], at[1], at[width], at[width + 1]));
        }
      }
    }
    return out;
  };
}

}  // namespace

std::vector<OpCase> pool_cases() {
  std::vector<OpCase> out;
  std::vector<InputSpecs> images{{{{1, 2, 4, 5}}}, {{{2, 1, 3, 2}}}, {{{0, 2, 3, 3}}}};
  std::vector<InputSpecs> sequences{{{{2, 2, 5}}}, {{{0, 1, 4}}}};
  auto largest = [](double a, double b, double c, double d) {
    return std::max(std::max(a, b), std::max(c, d));
  };
  auto mean = [](double a, double b, double c, double d) { return (a + b + c + d) / 4; };
  out.push_back(image_case(
      "max_pool2d", "max_pool2d", [](const Tensor& x) { return max_pool2d(x, {2}); }, images,
      each_square(largest)));
  out.push_back(image_case(
      "max_pool2d_overlapping", "max_pool2d",
      [](const Tensor& x) {
        return max_pool2d(x, {3, 2}, {2, 1}, {1}, {1}, true);
      },
      images));
  out.push_back(image_case(
      "max_pool2d_dilated", "max_pool2d",
      [](const Tensor& x) { return max_pool2d(x, {2}, {1}, {1}, {2}); }, images));
  out.push_back(image_case(
      "avg_pool2d", "avg_pool2d", [](const Tensor& x) { return avg_pool2d(x, {2}); }, images,
      each_square(mean)));
  out.back().cuts_integers = true;
  for (bool count_include_pad : {false, true}) {
    out.push_back(image_case(
        count_include_pad ? "avg_pool2d_padded" : "avg_pool2d_without_padding", "avg_pool2d",
        [count_include_pad](const Tensor& x) {
          return avg_pool2d(x, {3, 2}, {2}, {1}, true, count_include_pad);
        },
        images));
    out.back().cuts_integers = true;
  }
  out.push_back(image_case(
      "adaptive_avg_pool2d", "adaptive_avg_pool2d",
      [](const Tensor& x) {
        return adaptive_avg_pool2d(x, {2, 3});
      },
      images));
  out.push_back(image_case(
      "adaptive_max_pool2d", "adaptive_max_pool2d",
      [](const Tensor& x) {
        return adaptive_max_pool2d(x, {3, 2});
      },
      images));
  auto sequence_case = [&](std::string name, Unary fn) {
    OpCase row = image_case(name, name, std::move(fn), sequences);
    row.large = {{{5, 7, 60}}};
    out.push_back(std::move(row));
  };
  sequence_case("max_pool1d", [](const Tensor& x) { return max_pool1d(x, 3, 2, 1); });
  sequence_case("avg_pool1d", [](const Tensor& x) { return avg_pool1d(x, 2); });
  out.back().cuts_integers = true;
  sequence_case("adaptive_avg_pool1d", [](const Tensor& x) { return adaptive_avg_pool1d(x, 3); });
  // Places of an image twice as large, some of them in another order.
  out.push_back({.name = "max_unpool2d",
                 .fn =
                     [](const Inputs& in) {
                       int64_t height = in[0].size(2);
                       int64_t width = in[0].size(3);
                       std::vector<int64_t> places;
                       for (int64_t i = 0; i < in[0].numel(); ++i) {
                         int64_t at = i % (height * width);
                         places.push_back(at / width * 4 * width + at % width * 2 + i % 2);
                       }
                       return max_unpool2d(
                           in[0], Array::from(places, in[0].shape()).to(in[0].device()), {2});
                     },
                 .inputs = {{{{1, 2, 2, 3}}}, {{{2, 1, 3, 1}}}, {{{0, 2, 3, 3}}}},
                 .large = {{{6, 5, 13, 11}}}});
  for (double p : {2.0, 3.0}) {
    out.push_back({.name = p == 2 ? "lp_pool2d" : "lp_pool2d_cubes",
                   .fn = [p](const Inputs& in) { return lp_pool2d(in[0], p, {2}, {1}); },
                   .inputs = {{{{1, 2, 3, 4}, 0.2, 2}}, {{{0, 2, 3, 3}, 0.2, 2}}},
                   .large = {{{6, 5, 13, 11}, 0.2, 2}},
                   .op = "lp_pool2d"});
  }
  out.push_back({.name = "lp_pool1d",
                 .fn = [](const Inputs& in) { return lp_pool1d(in[0], 2, 3, 2, true); },
                 .inputs = {{{{2, 2, 6}, 0.2, 2}}},
                 .large = {{{6, 5, 131}, 0.2, 2}}});
  return out;
}

}  // namespace tessera::test
