#include "tests/support/op_cases/rows.h"

namespace tessera::test {

std::vector<OpCase> join_cases() {
  std::vector<OpCase> out;
  out.push_back({.name = "cat",
                 .fn =
                     [](const Inputs& in) {
                       return cat({in[0], in[1], in[0]}, -1);
                     },
                 .inputs = {{{{2, 3}}, {{2, 1}}}, {{{2, 0}}, {{2, 2}}}},
                 .large = {{{200, 101}}, {{200, 33}}},
                 .any_dtype = true});
  out.push_back({.name = "stack",
                 .fn =
                     [](const Inputs& in) {
                       return stack({in[0], in[1]}, 1);
                     },
                 .inputs = {{{{2, 3}}, {{2, 3}}}},
                 .large = {{{200, 101}}, {{200, 101}}},
                 .any_dtype = true});
  out.push_back(moves("repeat",
                      [](const Tensor& x) {
                        return repeat(x, {2, 3, 2});
                      },
                      {{{{2, 3}}}, {{{2, 1, 2}}}, {{{0, 2}}}}, {{{70, 71}}}));
  out.push_back(moves("tile", [](const Tensor& x) { return tile(x, {3}); },
                      {{{{2, 3}}}, {{{2}}}, {{{}}}}, {{{70, 171}}}));
  out.push_back(moves("flip",
                      [](const Tensor& x) {
                        return flip(x, {0, -1});
                      },
                      {{{{2, 3}}}, {{{2, 2, 3}}}, {{{0, 2}}}}, {{{200, 201}}}));
  out.push_back(moves("roll",
                      [](const Tensor& x) {
                        return roll(x, {1, -5}, {0, 1});
                      },
                      {{{{2, 3}}}, {{{0, 3}}}}, {{{200, 201}}}));
  out.push_back(moves("roll_flat", [](const Tensor& x) { return roll(x, {4}); },
                      {{{{2, 3}}}, {{{5}}}}, {{{200, 201}}}));
  out.push_back(moves("tril", [](const Tensor& x) { return tril(x, 1); },
                      {{{{4, 3}}}, {{{2, 2, 3}}}}, {{{200, 201}}}));
  out.push_back(moves("triu", [](const Tensor& x) { return triu(x, -1); },
                      {{{{4, 3}}}, {{{2, 2, 3}}}}, {{{200, 201}}}));
  out.push_back(moves("pad_constant",
                      [](const Tensor& x) {
                        return pad(x, {2, -1, 0, 1}, PadMode::constant, 3);
                      },
                      {{{{2, 3}}}, {{{2, 2, 3}}}, {{{0, 2}}}}, {{{200, 201}}}));
  for (auto [name, mode] :
       {std::pair{"pad_reflect", PadMode::reflect}, std::pair{"pad_replicate", PadMode::replicate},
        std::pair{"pad_circular", PadMode::circular}}) {
    out.push_back(moves(name,
                        [mode = mode](const Tensor& x) {
                          return pad(x, {2, 1, 1, 0}, mode);
                        },
                        {{{{2, 3}}}, {{{2, 4, 3}}}}, {{{200, 201}}}));
  }
  return out;
}

}  // namespace tessera::test
