#include "autograd/record.h"
#include "tests/support/op_cases/rows.h"

namespace tessera::test {
std::vector<OpCase> random_cases() {
  std::vector<OpCase> out;
  auto add = [&](std::string name, Tensor (*fn)(TensorArg, double, bool),
                 std::vector<InputSpecs> inputs, InputSpecs large) {
    out.push_back({.name = std::move(name),
                   .fn =
                       [fn](const Inputs& in) {
                         context().random.begin(1, 2, 3);
                         return fn(in[0], 0.4, true);
                       },
                   .inputs = std::move(inputs),
                   .large = std::move(large),
                   .draws = true});
  };
  std::vector<InputSpecs> any{{{{4, 5}}}, {{{}}}, {{{0, 2}}}};
  add("dropout", dropout, any, {{{70, 1001}}});
  add("alpha_dropout", alpha_dropout, any, {{{70, 1001}}});
  add("feature_alpha_dropout", feature_alpha_dropout, {{{{4, 3, 2}}}, {{{2, 5}}}},
      {{{70, 20, 50}}});
  add("dropout1d", dropout1d, {{{{4, 3, 2}}}, {{{5, 2}}}}, {{{70, 20, 50}}});
  add("dropout2d", dropout2d, {{{{2, 3, 2, 2}}}, {{{0, 2, 1, 1}}}}, {{{30, 20, 10, 10}}});
  add("dropout3d", dropout3d, {{{{2, 3, 1, 2, 2}}}, {{{5, 1, 1, 2}}}}, {{{30, 20, 5, 4, 5}}});
  return out;
}

}  // namespace tessera::test
