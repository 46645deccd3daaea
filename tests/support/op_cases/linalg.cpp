#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

OpCase product(std::string name, std::function<Tensor(const Inputs&)> fn,
               std::vector<InputSpecs> inputs, InputSpecs large, std::string op = "matmul") {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = std::move(inputs),
          .large = std::move(large),
          .op = std::move(op),
          .layout_changes_bits = true,
          .tolerance_f32 = 5e-5};
}

OpCase equation(std::string name, std::string text, std::vector<InputSpecs> inputs,
                InputSpecs large, std::string op = "matmul") {
  return product(
      std::move(name), [text](const Inputs& in) { return einsum(text, in); }, std::move(inputs),
      std::move(large), std::move(op));
}

}  // namespace

std::vector<OpCase> linalg_cases() {
  std::vector<OpCase> out;
  out.push_back(product("mm", [](const Inputs& in) { return mm(in[0], in[1]); },
                        {{{{2, 3}}, {{3, 2}}}}, {{{130, 40}}, {{40, 60}}}));
  out.push_back(product("bmm", [](const Inputs& in) { return bmm(in[0], in[1]); },
                        {{{{2, 2, 3}}, {{2, 3, 1}}}}, {{{9, 40, 50}}, {{9, 50, 30}}}));
  out.push_back(product("mv", [](const Inputs& in) { return mv(in[0], in[1]); },
                        {{{{2, 3}}, {{3}}}}, {{{300, 200}}, {{200}}}));
  out.push_back(product("dot", [](const Inputs& in) { return dot(in[0], in[1]); }, {{{{3}}, {{3}}}},
                        {{{3000}}, {{3000}}}));
  out.push_back(product(
      "outer", [](const Inputs& in) { return outer(in[0], in[1]); }, {{{{3}}, {{2}}}},
      {{{300}}, {{200}}}, "mul"));
  out.push_back(product("addmm",
                        [](const Inputs& in) { return addmm(in[0], in[1], in[2], 0.5, 2); },
                        {{{{2}}, {{2, 3}}, {{3, 2}}}, {{{2, 2}}, {{2, 3}}, {{3, 2}}}},
                        {{{60}}, {{130, 40}}, {{40, 60}}}));
  out.back().op = "addmm";  // half of an integer
  out.push_back(product("baddbmm", [](const Inputs& in) { return baddbmm(in[0], in[1], in[2]); },
                        {{{{2, 2, 1}}, {{2, 2, 3}}, {{2, 3, 1}}}},
                        {{{9, 1, 30}}, {{9, 40, 50}}, {{9, 50, 30}}}));
  out.push_back(product("tensordot",
                        [](const Inputs& in) {
                          return tensordot(in[0], in[1], {0, -1}, {2, 0});
                        },
                        {{{{2, 3, 2}}, {{2, 1, 2}}}}, {{{20, 30, 10}}, {{10, 40, 20}}}));
  out.push_back(product("tensordot_outer",
                        [](const Inputs& in) { return tensordot(in[0], in[1], 0); },
                        {{{{2}}, {{3, 1}}}}, {{{200}}, {{300}}}));
  out.push_back(product(
      "kron", [](const Inputs& in) { return kron(in[0], in[1]); },
      {{{{2, 3}}, {{2}}}, {{{2}}, {{2, 2}}}, {{{}}, {{2}}}}, {{{20, 30}}, {{10, 20}}}, "mul"));
  out.push_back(product(
      "trace", [](const Inputs& in) { return trace(in[0]); }, {{{{3, 3}}}, {{{2, 3}}}},
      {{{300, 200}}}, "sum"));
  out.back().any_dtype = true;
  out.push_back(equation("einsum_matmul", "bij,bjk->bik", {{{{2, 2, 3}}, {{2, 3, 2}}}},
                         {{{9, 40, 50}}, {{9, 50, 30}}}));
  out.push_back(
      equation("einsum_diagonal", "iij->ji", {{{{2, 2, 3}}}}, {{{40, 40, 30}}}, "einsum"));
  out.back().any_dtype = true;
  out.push_back(equation("einsum_bilinear", "bi,oij,bj->bo", {{{{2, 2}}, {{1, 2, 3}}, {{2, 3}}}},
                         {{{30, 20}}, {{10, 20, 25}}, {{30, 25}}}));
  out.push_back(equation("einsum_ellipsis", "...i,...i->...", {{{{2, 1, 3}}, {{4, 3}}}},
                         {{{20, 1, 30}}, {{40, 30}}}));
  out.push_back(
      {.name = "bilinear",
       .fn = [](const Inputs& in) { return bilinear(in[0], in[1], in[2], in[3]); },
       .inputs = {{{{2, 3}}, {{2, 2}}, {{2, 3, 2}}, {{2}}}, {{{3}}, {{2}}, {{1, 3, 2}}, {{1}}}},
       .large = {{{40, 20}}, {{40, 30}}, {{7, 20, 30}}, {{7}}},
       .layout_changes_bits = true,
       .tolerance_f32 = 2e-5});
  return out;
}

}  // namespace tessera::test
