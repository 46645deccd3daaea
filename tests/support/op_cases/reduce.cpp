#include "tests/support/op_cases/rows.h"

namespace tessera::test {
std::vector<OpCase> reduce_cases() {
  std::vector<OpCase> out;
  std::vector<InputSpecs> all{{{{2, 3}}}, {{{}}}, {{{2, 2, 3}}}};
  OpCase sum_all = {.name = "sum",
                    .fn = [](const Inputs& in) { return sum(in[0]); },
                    .inputs = all,
                    .large = {{{90, 1001}}},
                    .reference =
                        [](const Plains& in) {
                          return Plain{{}, {total(in[0])}};
                        },
                    .tolerance_f32 = 2e-5};
  out.push_back(sum_all);
  OpCase mean_all = sum_all;
  mean_all.name = "mean";
  mean_all.op = "sum";
  mean_all.fn = [](const Inputs& in) { return mean(in[0]); };
  mean_all.reference = [](const Plains& in) {
    return Plain{{}, {total(in[0]) / static_cast<double>(in[0].values.size())}};
  };
  out.push_back(mean_all);
  auto over = [&](std::string name, std::function<Tensor(const Inputs&)> fn) {
    out.push_back({.name = std::move(name),
                   .fn = std::move(fn),
                   .inputs = {{{{2, 3, 2}}}, {{{3, 0, 2}}}, {{{2, 1, 3}}}},
                   .large = {{{130, 50, 60}}},
                   .op = "sum",
                   .tolerance_f32 = 2e-5});
  };
  over("sum_first", [](const Inputs& in) { return sum(in[0], {0}); });
  over("sum_last_keepdim", [](const Inputs& in) { return sum(in[0], {-1}, true); });
  over("sum_middle", [](const Inputs& in) { return sum(in[0], {1}); });
  over("sum_outer", [](const Inputs& in) { return sum(in[0], {0, 2}); });
  over("sum_to", [](const Inputs& in) { return sum_to(in[0], {in[0].size(1), 1}); });
  OpCase mean_dims = {.name = "mean_last",
                      .fn = [](const Inputs& in) { return mean(in[0], {-1}); },
                      .inputs = {{{{2, 3}}}, {{{2, 1, 4}}}},
                      .large = {{{130, 3000}}},
                      .op = "sum"};
  out.push_back(mean_dims);
  return out;
}

}  // namespace tessera::test
