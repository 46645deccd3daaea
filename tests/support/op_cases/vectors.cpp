#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

OpCase product(std::string name, std::function<Tensor(const Inputs&)> fn,
               std::vector<InputSpecs> inputs, InputSpecs large) {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = std::move(inputs),
          .large = std::move(large),
          .layout_changes_bits = true};
}

}  // namespace

std::vector<OpCase> vectors_cases() {
  std::vector<OpCase> out;
  out.push_back({.name = "normalize",
                 .fn = [](const Inputs& in) { return normalize(in[0]); },
                 .inputs = {{{{2, 3}}}, {{{3, 2, 2}}}, {{{0, 2}}}},
                 .large = {{{70, 300}}}});
  out.push_back({.name = "normalize_3_dims",
                 .fn =
                     [](const Inputs& in) {
                       return normalize(in[0], 3, {0, -1});
                     },
                 .inputs = {{{{2, 2, 3}, -2, 2, 0.3}}, {{{2, 3}, -2, 2, 0.3}}},
                 .large = {{{30, 7, 100}, -2, 2, 0.3}},
                 .op = "normalize"});
  out.push_back({.name = "cosine_similarity",
                 .fn = [](const Inputs& in) { return cosine_similarity(in[0], in[1], -1); },
                 .inputs = {{{{2, 3}}, {{2, 3}}}, {{{2, 1, 3}}, {{2, 3}}}, {{{3}}, {{3}}}},
                 .large = {{{70, 300}}, {{300}}}});
  out.push_back({.name = "pairwise_distance",
                 .fn = [](const Inputs& in) { return pairwise_distance(in[0], in[1]); },
                 .inputs = {{{{2, 3}}, {{2, 3}}}, {{{2, 1, 3}}, {{2, 3}}}, {{{3}}, {{3}}}},
                 .large = {{{70, 300}}, {{300}}},
                 .reference =
                     [](const Plains& in) {
                       Plain squares = each_pair([](double a, double b) {
                         double d = a - b + 1e-6;
                         return d * d;
                       })(in);
                       Plain out{leading(squares.shape), {}};
                       for (size_t i = 0; i < squares.values.size(); i += 3) {
                         out.values.push_back(std::sqrt(squares.values[i] + squares.values[i + 1] +
                                                        squares.values[i + 2]));
                       }
                       return out;
                     }});
  out.push_back(product("inner", [](const Inputs& in) { return inner(in[0], in[1]); },
                        {{{{2, 3}}, {{4, 3}}}, {{{3}}, {{3}}}, {{{}}, {{2, 3}}}},
                        {{{40, 60}}, {{50, 60}}}));
  out.push_back({.name = "vecdot",
                 .fn = [](const Inputs& in) { return vecdot(in[0], in[1], 0); },
                 .inputs = {{{{2, 3}}, {{2, 3}}}, {{{3, 1}}, {{3, 2}}}, {{{}}, {{}}}},
                 .large = {{{300, 70}}, {{300, 70}}}});
  out.push_back({.name = "cross",
                 .fn = [](const Inputs& in) { return cross(in[0], in[1], -1); },
                 .inputs = {{{{2, 3}}, {{2, 3}}}, {{{3}}, {{3}}}, {{{1, 3}}, {{2, 3}}}},
                 .large = {{{7000, 3}}, {{1, 3}}}});
  out.push_back(
      product("addmv", [](const Inputs& in) { return addmv(in[0], in[1], in[2], 0.5, 2); },
              {{{{2}}, {{2, 3}}, {{3}}}, {{{}}, {{2, 3}}, {{3}}}}, {{{70}}, {{70, 90}}, {{90}}}));
  out.push_back(product("addbmm",
                        [](const Inputs& in) { return addbmm(in[0], in[1], in[2], 2, -0.5); },
                        {{{{2, 2}}, {{2, 2, 3}}, {{2, 3, 2}}}, {{{2}}, {{1, 3, 1}}, {{1, 1, 2}}}},
                        {{{20, 30}}, {{5, 20, 40}}, {{5, 40, 30}}}));
  out.push_back({.name = "addr",
                 .fn = [](const Inputs& in) { return addr(in[0], in[1], in[2], 0.5, 2); },
                 .inputs = {{{{2, 3}}, {{2}}, {{3}}}, {{{3}}, {{2}}, {{3}}}},
                 .large = {{{70, 90}}, {{70}}, {{90}}}});
  return out;
}

}  // namespace tessera::test
