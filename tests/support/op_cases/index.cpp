#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// x's indices along dim 1, one fewer row than x where it has several.
Array rows_index(const Tensor& x, int64_t cols) {
  int64_t rows = std::max<int64_t>(1, x.size(0) - 1);
  return indices({rows, cols}, x.size(1));
}

}  // namespace

std::vector<OpCase> index_cases() {
  std::vector<OpCase> out;
  out.push_back(moves("gather", [](const Tensor& x) { return gather(x, 1, rows_index(x, 4)); },
                      {{{{3, 3}}}, {{{1, 2}}}}, {{{300, 201}}}));
  out.push_back(moves("take_along_dim",
                      [](const Tensor& x) {
                        return take_along_dim(x, indices({1, 5}, x.size(1)), 1);
                      },
                      {{{{3, 3}}}, {{{1, 2}}}}, {{{300, 201}}}));
  out.push_back({.name = "scatter",
                 .fn =
                     [](const Inputs& in) {
                       // Each column once: where one came twice the gradients would differ.
                       Array at = Array::arange(2).view({1, 2}).expand({in[1].size(0), 2});
                       return scatter(in[0], 1, at, in[1]);
                     },
                 .inputs = {{{{3, 3}}, {{2, 3}}}, {{{2, 2}}, {{2, 2}}}},
                 .large = {{{300, 301}}, {{300, 2}}},
                 .any_dtype = true});
  out.push_back({.name = "scatter_add",
                 .fn =
                     [](const Inputs& in) {
                       return scatter_add(in[0], 1, indices(in[1].shape(), in[0].size(1)), in[1]);
                     },
                 .inputs = {{{{3, 3}}, {{2, 4}}}, {{{2, 2}}, {{2, 5}}}},
                 .large = {{{300, 31}}, {{300, 301}}},
                 .any_dtype = true});
  out.push_back({.name = "scatter_add_dim0",
                 .fn =
                     [](const Inputs& in) {
                       return scatter_add(in[0], 0, indices(in[1].shape(), in[0].size(0)), in[1]);
                     },
                 .inputs = {{{{3, 3}}, {{4, 2}}}, {{{2}}, {{5}}}},
                 .large = {{{31, 300}}, {{301, 300}}},
                 .any_dtype = true});
  out.push_back(moves("index_select",
                      [](const Tensor& x) { return index_select(x, -1, indices({5}, x.size(-1))); },
                      {{{{2, 3}}}, {{{4}}}, {{{2, 2, 3}}}}, {{{300, 201}}}));
  out.push_back({.name = "index_add",
                 .fn =
                     [](const Inputs& in) {
                       Array at = indices({in[1].size(0)}, in[0].size(0));
                       return index_add(in[0], 0, at, in[1]);
                     },
                 .inputs = {{{{3, 3}}, {{4, 3}}}, {{{3}}, {{5}}}},
                 .large = {{{31}}, {{40000}}},
                 .any_dtype = true});
  out.push_back(moves(
      "masked_select",
      [](const Tensor& x) { return masked_select(x, indices({x.size(-1)}, 2).to(DType::boolean)); },
      {{{{2, 5}}}, {{{4}}}}, {{{300, 201}}}));
  out.push_back(moves("index_mixed",
                      [](const Tensor& x) {
                        Array rows = indices({4}, x.size(0));
                        Array cols = indices({3, 1}, x.size(2));
                        return index(x, {rows, Slice(none, none, 2), cols, newaxis});
                      },
                      {{{{3, 3, 2}}}}, {{{40, 31, 30}}}));
  out.push_back(moves("index_basic",
                      [](const Tensor& x) {
                        return index(x, {ellipsis, newaxis, -1, Slice(1, none)});
                      },
                      {{{{2, 3}}}, {{{2, 3, 3}}}}, {{{200, 3, 201}}}));
  out.push_back({.name = "index_put",
                 .fn =
                     [](const Inputs& in) {
                       Array at = indices({4}, in[0].size(0));
                       Tensor x = in[0] * 1.0;
                       index_put_(x, {at, Slice(1, none)}, in[1], true);
                       return x;
                     },
                 .inputs = {{{{3, 3}}, {{4, 2}}}, {{{3, 2}}, {{1}}}},
                 .large = {{{31, 300}}, {{4, 299}}},
                 .op = "affine"});
  out.push_back({.name = "assign",
                 .fn =
                     [](const Inputs& in) {
                       Tensor x = in[0] * 1.0;
                       assign(x, {Array::from<int64_t>({2, 0}, {2}), Slice(1, none)}, in[1]);
                       return x;
                     },
                 .inputs = {{{{3, 3}}, {{2, 2}}}, {{{3, 3}}, {{}}}},
                 .large = {{{31, 300}}, {{2, 299}}},
                 .op = "affine"});
  return out;
}

}  // namespace tessera::test
