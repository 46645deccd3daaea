#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

using Stack = std::function<Tensor(const Inputs&)>;

OpCase stacks(std::string name, Stack fn, std::vector<InputSpecs> inputs, InputSpecs large) {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = std::move(inputs),
          .large = std::move(large),
          .any_dtype = true};
}

void add_stacks(std::vector<OpCase>& out) {
  out.push_back(stacks("hstack", [](const Inputs& in) { return hstack(in); },
                       {{{{2, 3}}, {{2, 1}}}, {{{3}}, {{2}}}, {{{}}, {{}}}},
                       {{{70, 300}}, {{70, 100}}}));
  out.push_back(stacks("vstack", [](const Inputs& in) { return vstack(in); },
                       {{{{2, 3}}, {{3}}}, {{{}}, {{}}}, {{{0, 3}}, {{2, 3}}}},
                       {{{70, 300}}, {{300}}}));
  out.push_back(stacks("dstack", [](const Inputs& in) { return dstack(in); },
                       {{{{2, 3}}, {{2, 3, 2}}}, {{{3}}, {{3}}}, {{{}}, {{}}}},
                       {{{70, 300}}, {{70, 300}}}));
  out.push_back(stacks("column_stack", [](const Inputs& in) { return column_stack(in); },
                       {{{{3}}, {{3, 2}}}, {{{}}, {{}}}, {{{2}}, {{2}}}}, {{{700}}, {{700, 50}}}));
  auto grid = [](const Inputs& in) { return cat(meshgrid(in, MeshIndexing::xy), 0); };
  out.push_back({.name = "meshgrid",
                 .fn = grid,
                 .inputs = {{{{2}}, {{3}}}, {{{}}, {{2}}}, {{{2}}, {{1}}, {{3}}}},
                 .large = {{{300}}, {{200}}},
                 .any_dtype = true});
  auto product = [](const Inputs& in) {
    std::vector<Tensor> all = broadcast_tensors(in);
    return cat({all[1], all[0]}, 0);
  };
  out.push_back({.name = "broadcast_tensors",
                 .fn = product,
                 .inputs = {{{{2, 1}}, {{3}}}, {{{1, 2}}, {{2, 2, 1}}}},
                 .large = {{{300, 1}}, {{200}}},
                 .any_dtype = true});
}

}  // namespace

std::vector<OpCase> stacking_cases() {
  std::vector<OpCase> out;
  add_stacks(out);
  out.push_back(moves("clone", [](const Tensor& x) { return clone(x); },
                      {{{{2, 3}}}, {{{}}}, {{{0, 2}}}}, {{{300, 201}}}));
  out.push_back(moves("tensor_split",
                      [](const Tensor& x) {
                        std::vector<Tensor> pieces = tensor_split(x, 3, -1);
                        return cat({pieces[2], pieces[0], pieces[1]}, -1);
                      },
                      {{{{2, 5}}}, {{{4}}}}, {{{300, 200}}}));
  out.push_back(moves("tensor_split_indices",
                      [](const Tensor& x) {
                        std::vector<Tensor> pieces = tensor_split(x, Dims{2, -1}, 1);
                        return cat({pieces[2], pieces[0], pieces[1]}, 1);
                      },
                      {{{{2, 5}}}, {{{1, 4, 2}}}}, {{{300, 200}}}));
  out.push_back(moves("repeat_interleave",
                      [](const Tensor& x) { return repeat_interleave(x, 3, x.dim() ? 0 : -1); },
                      {{{{2, 3}}}, {{{}}}, {{{0, 2}}}}, {{{300, 201}}}));
  out.push_back(
      moves("repeat_interleave_counts",
            [](const Tensor& x) { return repeat_interleave(x, indices({x.size(1)}, 4), 1); },
            {{{{2, 3}}}, {{{2, 2, 2}}}}, {{{30, 201}}}));
  out.push_back(moves("repeat_interleave_flat",
                      [](const Tensor& x) { return repeat_interleave(x, 2); }, {{{{2, 3}}}},
                      {{{300, 201}}}));
  for (int64_t k : {1, 2, -1}) {
    out.push_back(moves("rot90_" + std::to_string(k + 1),
                        [k](const Tensor& x) {
                          return rot90(x, k, {0, -1});
                        },
                        {{{{2, 3}}}, {{{2, 1, 2}}}}, {{{300, 201}}}));
  }
  out.push_back({.name = "diff",
                 .fn = [](const Inputs& in) { return diff(in[0], 2, -1, {}, in[1]); },
                 .inputs = {{{{2, 3}}, {{2, 1}}}, {{{4}}, {{2}}}},
                 .large = {{{70, 300}}, {{70, 2}}}});
  out.back().any_dtype = true;
  return out;
}

}  // namespace tessera::test
