#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

OpCase writes(std::string name, Binary fn, std::vector<InputSpecs> inputs, InputSpecs large,
              std::string op) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0], in[1]); },
          .inputs = std::move(inputs),
          .large = std::move(large),
          .op = std::move(op),
          .any_dtype = true};
}

// Different places among `limit`: where one came twice the gradients would differ.
Array distinct(int64_t count, int64_t limit) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(limit - 1 - i);
  return Array::from(values, {count});
}

void add_scatter_reduce(std::vector<OpCase>& out, std::string name, ScatterReduce reduce,
                        bool include_self) {
  auto fn = [=](const Inputs& in) {
    // Means of integers are rounded, which those of the same numbers in f64 are not.
    bool rounds =
        reduce == ScatterReduce::mean && in[0].dtype() == DType::i64 && in[1].dtype() == DType::i64;
    Tensor x = rounds ? to(in[0], DType::f64) : in[0];
    Tensor source = rounds ? to(in[1], DType::f64) : in[1];
    Array index = indices({source.size(0), source.size(1) - 1}, x.size(1));
    return scatter_reduce(x, 1, index, source, reduce, include_self);
  };
  out.push_back({.name = "scatter_reduce_" + name + (include_self ? "" : "_alone"),
                 .fn = fn,
                 .inputs = {{{{3, 3}, -2, 2, 0.2}, {{2, 5}, -2, 2, 0.2}},
                            {{{2, 4}, -2, 2, 0.2}, {{2, 3}, -2, 2, 0.2}}},
                 .large = {{{300, 301}, -2, 2, 0.2}, {{300, 9}, -2, 2, 0.2}},
                 .op = "scatter_reduce"});
}

}  // namespace

std::vector<OpCase> index_write_cases() {
  std::vector<OpCase> out;
  out.push_back(moves("take",
                      [](const Tensor& x) {
                        return take(x, indices({2, 4}, x.numel()));
                      },
                      {{{{2, 3}}}, {{{}}}, {{{4}}}}, {{{300, 201}}}));
  out.push_back(writes(
      "put",
      [](const Tensor& x, const Tensor& y) { return put(x, distinct(y.numel(), x.numel()), y); },
      {{{{2, 3}}, {{2, 2}}}, {{{}}, {{1}}}}, {{{300, 201}}, {{5000}}}, "put"));
  out.push_back(writes(
      "put_accumulate",
      [](const Tensor& x, const Tensor& y) {
        return put(x, indices({y.numel()}, x.numel()), y, true);
      },
      {{{{2, 3}}, {{2, 4}}}, {{{2}}, {{3}}}}, {{{30, 21}}, {{5000}}}, "put"));
  out.push_back(moves(
      "index_fill",
      [](const Tensor& x) { return index_fill(x, -1, indices({2}, x.dim() ? x.size(-1) : 1), 3); },
      {{{{2, 3}}}, {{{}}}, {{{2, 0, 2}}}}, {{{300, 201}}}));
  out.push_back(writes(
      "index_fill_tensor",
      [](const Tensor& x, const Tensor& y) { return index_fill(x, 0, distinct(1, x.size(0)), y); },
      {{{{2, 3}}, {{}}}, {{{3}}, {{}}}}, {{{300, 201}}, {{}}}, "index_fill"));
  out.push_back(writes(
      "index_copy",
      [](const Tensor& x, const Tensor& y) {
        return index_copy(x, 1, distinct(y.size(1), x.size(1)), y);
      },
      {{{{2, 3}}, {{2, 2}}}, {{{1, 2, 2}}, {{1, 1, 2}}}}, {{{300, 201}}, {{300, 100}}},
      "index_copy"));
  out.push_back(writes(
      "masked_scatter",
      [](const Tensor& x, const Tensor& y) {
        Array mask = indices({x.size(-1)}, 2).to(DType::boolean);
        return masked_scatter(x, mask, y);
      },
      {{{{2, 5}}, {{3, 4}}}, {{{4}}, {{4}}}}, {{{30, 201}}, {{7000}}}, "masked_scatter"));
  for (bool include_self : {true, false}) {
    add_scatter_reduce(out, "sum", ScatterReduce::sum, include_self);
    add_scatter_reduce(out, "prod", ScatterReduce::prod, include_self);
    add_scatter_reduce(out, "mean", ScatterReduce::mean, include_self);
    add_scatter_reduce(out, "amax", ScatterReduce::amax, include_self);
    add_scatter_reduce(out, "amin", ScatterReduce::amin, include_self);
  }
  out.push_back({.name = "compound",
                 .fn =
                     [](const Inputs& in) {
                       Tensor x = (in[0] + in[1]) * 1.0;
                       x += in[1];
                       x *= 3;
                       x[0] -= in[1];
                       x[-1] *= in[1];
                       x[0] /= 2;
                       return x;
                     },
                 .inputs = {{{{3, 2}}, {{2}}}, {{{2, 3}}, {{}}}},
                 .large = {{{70, 1001}}, {{1001}}},
                 .op = "mul"});
  return out;
}

}  // namespace tessera::test
