#include "tests/support/op_cases/rows.h"

namespace tessera::test {

std::vector<OpCase> sort_cases() {
  std::vector<OpCase> out;
  auto add = [&](std::string name, std::string op, Unary fn) {
    OpCase row = moves(std::move(name), std::move(fn), {{{{2, 3, 2}}}, {{{2, 4}}}, {{{1, 3, 0}}}},
                       {{{40, 90, 60}}});
    row.op = std::move(op);
    out.push_back(std::move(row));
  };
  add("sort", "sort", [](const Tensor& x) { return sort(x, 1).values; });
  add("sort_descending", "sort", [](const Tensor& x) { return sort(x, 0, true).values; });
  add("msort", "sort", [](const Tensor& x) { return msort(x); });
  add("topk", "topk", [](const Tensor& x) { return topk(x, 2, 1).values; });
  add("topk_smallest", "topk", [](const Tensor& x) { return topk(x, 1, 0, false).values; });
  add("kthvalue", "kthvalue", [](const Tensor& x) { return kthvalue(x, 2, 1).values; });
  add("median_dim", "median", [](const Tensor& x) { return median(x, 1, true).values; });
  add("nanmedian_dim", "nanmedian", [](const Tensor& x) { return nanmedian(x, 1).values; });
  add("mode", "mode", [](const Tensor& x) { return mode(x, 1).values; });
  auto whole = [&](std::string name, Unary fn) {
    out.push_back(
        moves(std::move(name), std::move(fn), {{{{2, 3}}}, {{{}}}, {{{2, 2, 2}}}}, {{{90, 501}}}));
  };
  whole("median", [](const Tensor& x) { return median(x); });
  whole("nanmedian", [](const Tensor& x) { return nanmedian(x); });
  // A row longer than a block of the merge sort.
  out.push_back(moves("sort_long", [](const Tensor& x) { return sort(x).values; },
                      {{{{5}}}, {{{}}}}, {{{2, 70001}}}));
  out.back().op = "sort";
  auto quantiles = [&](std::string name, Unary fn) {
    out.push_back({.name = std::move(name),
                   .fn = [fn](const Inputs& in) { return fn(in[0]); },
                   .inputs = {{{{2, 3}}}, {{{4, 2}}}},
                   .large = {{{300, 201}}},
                   .op = "quantile"});
  };
  quantiles("quantile", [](const Tensor& x) { return quantile(x, 0.3); });
  quantiles("quantile_dim", [](const Tensor& x) { return quantile(x, 0.7, 0, true); });
  quantiles("quantile_several", [](const Tensor& x) {
    return quantile(x, {0.0, 0.25, 1.0}, 1, false, QuantileMethod::midpoint);
  });
  return out;
}

}  // namespace tessera::test
