#include "autograd/record.h"
#include "tests/support/op_cases/rows.h"

namespace tessera::test {
std::vector<OpCase> random_cases() {
  std::vector<OpCase> out;
  out.push_back({.name = "dropout",
                 .fn =
                     [](const Inputs& in) {
                       context().random.begin(1, 2, 3);
                       return dropout(in[0], 0.4, true);
                     },
                 .inputs = {{{{4, 5}}}, {{{}}}, {{{0, 2}}}},
                 .large = {{{70, 1001}}},
                 .draws = true});
  return out;
}

}  // namespace tessera::test
