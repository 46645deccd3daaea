#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

OpCase writes(std::string name, Binary fn, std::vector<InputSpecs> inputs, InputSpecs large) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0], in[1]); },
          .inputs = std::move(inputs),
          .large = std::move(large),
          .any_dtype = true};
}

}  // namespace

std::vector<OpCase> diagonal_cases() {
  std::vector<OpCase> out;
  out.push_back(moves("diag", [](const Tensor& x) { return diag(x, 1); },
                      {{{{3}}}, {{{2, 3}}}, {{{0}}}}, {{{300, 201}}}));
  out.push_back(moves("diag_embed", [](const Tensor& x) { return diag_embed(x, -1, -1, 0); },
                      {{{{3}}}, {{{2, 3}}}, {{{2, 0}}}}, {{{30, 201}}}));
  out.push_back(writes("select_scatter",
                       [](const Tensor& x, const Tensor& y) { return select_scatter(x, y, -1, 1); },
                       {{{{2, 3}}, {{2}}}, {{{2}}, {{}}}}, {{{300, 201}}, {{300}}}));
  out.push_back(
      writes("slice_scatter",
             [](const Tensor& x, const Tensor& y) { return slice_scatter(x, y, 1, 1, {}, 2); },
             {{{{2, 5}}, {{2, 2}}}, {{{1, 2, 2}}, {{1, 1, 2}}}}, {{{300, 201}}, {{300, 100}}}));
  out.push_back(writes("diagonal_scatter",
                       [](const Tensor& x, const Tensor& y) { return diagonal_scatter(x, y, 1); },
                       {{{{2, 3}}, {{2}}}, {{{2, 2, 2}}, {{2, 1}}}}, {{{300, 201}}, {{200}}}));
  return out;
}

}  // namespace tessera::test
