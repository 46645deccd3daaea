#include "tests/support/op_cases/rows.h"

namespace tessera::test {
std::vector<OpCase> shape_cases() {
  std::vector<OpCase> out;
  out.push_back(moves("reshape",
                      [](const Tensor& x) {
                        return reshape(x, {x.size(1), -1});
                      },
                      {{{{2, 3}}}, {{{2, 3, 2}}}}, {{{300, 301}}}));
  out.push_back(moves("transpose", [](const Tensor& x) { return transpose(x, 0, -1); },
                      {{{{2, 3}}}, {{{2, 3, 2}}}, {{{0, 3}}}}, {{{300, 301}}}));
  out.push_back(moves("permute",
                      [](const Tensor& x) {
                        return permute(x, {2, 0, -2});
                      },
                      {{{{2, 3, 2}}}}, {{{30, 31, 32}}}));
  out.push_back(moves("expand",
                      [](const Tensor& x) {
                        return expand(x, {3, -1, 2});
                      },
                      {{{{2, 1}}}, {{{1, 1}}}, {{{1, 2, 1}}}}, {{{1, 20000, 1}}}));
  out.push_back(moves("slice", [](const Tensor& x) { return slice(x, -1, 1, 100, 2); },
                      {{{{2, 5}}}, {{{4}}}, {{{2, 1}}}}, {{{200, 201}}}));
  out.push_back(moves("select", [](const Tensor& x) { return select(x, 1, -1); },
                      {{{{2, 3}}}, {{{2, 3, 2}}}}, {{{200, 3, 200}}}));
  out.push_back(moves("unsqueeze", [](const Tensor& x) { return unsqueeze(x, 1); },
                      {{{{2, 3}}}, {{{3}}}}, {{{200, 201}}}));
  out.push_back(moves("squeeze", [](const Tensor& x) { return squeeze(x, 0); },
                      {{{{1, 3}}}, {{{2, 3}}}}, {{{1, 40000}}}));
  out.push_back(moves("contiguous", [](const Tensor& x) { return contiguous(transpose(x, 0, 1)); },
                      {{{{2, 3}}}}, {{{300, 301}}}));
  out.push_back(moves("view", [](const Tensor& x) { return view(contiguous(x), {-1}); },
                      {{{{2, 3}}}, {{{0, 3}}}}, {{{300, 301}}}));
  out.push_back(moves("squeeze_all", [](const Tensor& x) { return squeeze(x); },
                      {{{{1, 3, 1}}}, {{{1}}}}, {{{1, 40000}}}));
  out.push_back(moves("flatten", [](const Tensor& x) { return flatten(x, 0, 1); },
                      {{{{2, 3}}}, {{{2, 3, 2}}}}, {{{300, 301}}}));
  out.push_back(moves("unflatten",
                      [](const Tensor& x) {
                        return unflatten(x, -1, {2, -1});
                      },
                      {{{{2, 4}}}, {{{6}}}}, {{{300, 302}}}));
  out.push_back(moves("moveaxis",
                      [](const Tensor& x) {
                        return moveaxis(x, {0, 2}, {-1, 0});
                      },
                      {{{{2, 3, 2}}}}, {{{30, 31, 32}}}));
  out.push_back(moves("narrow", [](const Tensor& x) { return narrow(x, -1, -2, 2); },
                      {{{{2, 3}}}, {{{2}}}}, {{{300, 301}}}));
  out.push_back(moves("split",
                      [](const Tensor& x) {
                        auto parts = split(x, 2, 1);
                        return cat({parts.back(), parts[0]}, 1);
                      },
                      {{{{2, 5}}}}, {{{300, 301}}}));
  out.push_back(moves("chunk", [](const Tensor& x) { return chunk(x, 2, -1)[1]; }, {{{{2, 5}}}},
                      {{{300, 301}}}));
  out.push_back(moves("unbind", [](const Tensor& x) { return unbind(x, 1)[1]; }, {{{{2, 3}}}},
                      {{{300, 301}}}));
  out.push_back(moves("diagonal", [](const Tensor& x) { return diagonal(x, -1, 0, -1); },
                      {{{{3, 2}}}, {{{3, 2, 4}}}}, {{{300, 2, 301}}}));
  out.push_back(moves("unfold", [](const Tensor& x) { return unfold(x, 0, 3, 2); },
                      {{{{6, 2}}}, {{{3}}}}, {{{3001, 11}}}));
  return out;
}

}  // namespace tessera::test
