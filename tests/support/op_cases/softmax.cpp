#include "tests/support/op_cases/rows.h"

namespace tessera::test {

std::vector<OpCase> softmax_cases() {
  std::vector<OpCase> out;
  auto softmax_like = [&](std::string name, auto fn, auto reference) {
    out.push_back({.name = name,
                   .fn = [fn](const Inputs& in) { return fn(in[0], -1); },
                   .inputs = {{{{2, 3}}}, {{{1}}}, {{{2, 2, 2}}}, {{{0, 3}}}, {{{3, 0}}}},
                   .large = {{{300, 257}}},
                   .reference = each_row(reference)});
    out.push_back({.name = name + "_first_dim",
                   .fn = [fn](const Inputs& in) { return fn(in[0], 0); },
                   .inputs = {{{{2, 3}}}, {{{}}}, {{{3, 1, 2}}}, {{{0, 2}}}},
                   .large = {{{130, 300}}},
                   .op = name});
    out.push_back({.name = name + "_middle_dim",
                   .fn =
                       [fn](const Inputs& in) {
                         // As the last dim, which has a reference.
                         return transpose(fn(transpose(in[0], 1, 2), 1), 1, 2);
                       },
                   .inputs = {{{{2, 3, 2}}}, {{{1, 70, 1}}}},
                   .large = {{{20, 30, 70}}},
                   .reference = each_row(reference),
                   .op = name});
  };
  softmax_like(
      "softmax", [](const Tensor& x, int64_t dim) { return softmax(x, dim); }, plain_softmax);
  softmax_like(
      "log_softmax", [](const Tensor& x, int64_t dim) { return log_softmax(x, dim); },
      plain_log_softmax);
  softmax_like(
      "softmin", [](const Tensor& x, int64_t dim) { return softmin(x, dim); },
      [](const double* row, size_t size, double* out) {
        std::vector<double> negative(row, row + size);
        for (double& x : negative) x = -x;
        plain_softmax(negative.data(), size, out);
      });
  out.push_back({.name = "embedding",
                 .fn =
                     [](const Inputs& in) {
                       int64_t rows = in[0].size(0);
                       Array at = indices({2, 2 * rows}, rows).to(in[0].device());
                       return embedding(in[0], Tensor(at));
                     },
                 .inputs = {{{{4, 3}}}, {{{1, 1}}}, {{{3, 0}}}},
                 .large = {{{300, 200}}},
                 .any_dtype = true});
  return out;
}

}  // namespace tessera::test
