#include "tests/support/op_cases/rows.h"

namespace tessera::test {

std::vector<OpCase> patches_cases() {
  std::vector<OpCase> out;
  out.push_back(moves("unfold_images",
                      [](const Tensor& x) {
                        return unfold(x, {2, 3}, {1}, {1});
                      },
                      {{{{1, 2, 3, 4}}}, {{{1, 2, 3}}}}, {{{2, 3, 30, 40}}}));
  out.push_back(moves("unfold_images_strided",
                      [](const Tensor& x) {
                        return unfold(x, {2}, {2, 1}, {1, 0}, {2});
                      },
                      {{{{1, 1, 4, 3}}}}, {{{2, 3, 30, 40}}}));
  out.push_back({.name = "fold",
                 .fn =
                     [](const Inputs& in) {
                       return fold(in[0], {3, 4}, {2, 2}, {1}, {1, 0});
                     },
                 .inputs = {{{{1, 8, 12}}}, {{{4, 12}}}},
                 .large = {{{5, 40, 12}}},
                 .any_dtype = true});
  return out;
}

}  // namespace tessera::test
