#include "tests/support/op_cases.h"

#include <cmath>
#include <ostream>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "tests/support/arrays.h"

namespace tessera::test {
namespace {

using Inputs = std::vector<Tensor>;
using Plains = std::vector<Plain>;
using PlainFunction = std::function<Plain(const Plains&)>;

// --- References in plain loops ------------------------------------------------------------------

Dims leading(const Dims& shape) { return Dims(std::span(shape.data(), shape.size() - 1)); }

// The index of element i of `shape` within an array of shape `from` broadcast to it.
size_t broadcast_index(size_t i, const Dims& shape, const Dims& from) {
  size_t index = 0;
  size_t stride = 1;
  size_t lead = shape.size() - from.size();
  for (size_t d = shape.size(); d-- > lead;) {
    auto size = static_cast<size_t>(shape[d]);
    if (from[d - lead] != 1) index += i % size * stride;
    stride *= static_cast<size_t>(from[d - lead]);
    i /= size;
  }
  return index;
}

PlainFunction each(double (*fn)(double)) {
  return [fn](const Plains& in) {
    Plain out = in[0];
    for (double& x : out.values) x = fn(x);
    return out;
  };
}

PlainFunction each_pair(double (*fn)(double, double)) {
  return [fn](const Plains& in) {
    Plain out{broadcast_shapes(in[0].shape, in[1].shape, "reference"), {}};
    auto count = static_cast<size_t>(num_elements(out.shape));
    for (size_t i = 0; i < count; ++i) {
      out.values.push_back(fn(in[0].values[broadcast_index(i, out.shape, in[0].shape)],
                              in[1].values[broadcast_index(i, out.shape, in[1].shape)]));
    }
    return out;
  };
}

// fn(row, out) on each row of the last dim.
PlainFunction each_row(void (*fn)(const double* row, size_t size, double* out)) {
  return [fn](const Plains& in) {
    Plain out = in[0];
    auto cols = static_cast<size_t>(in[0].shape.back());
    for (size_t i = 0; i < out.values.size(); i += cols) {
      fn(in[0].values.data() + i, cols, out.values.data() + i);
    }
    return out;
  };
}

double log_sum_exp(const double* row, size_t size) {
  double sum = 0;
  for (size_t j = 0; j < size; ++j) sum += std::exp(row[j]);
  return std::log(sum);
}

void plain_log_softmax(const double* row, size_t size, double* out) {
  double lse = log_sum_exp(row, size);
  for (size_t j = 0; j < size; ++j) out[j] = row[j] - lse;
}

void plain_softmax(const double* row, size_t size, double* out) {
  double lse = log_sum_exp(row, size);
  for (size_t j = 0; j < size; ++j) out[j] = std::exp(row[j] - lse);
}

double total(const Plain& x) {
  double sum = 0;
  for (double value : x.values) sum += value;
  return sum;
}

// (..., M, K) x (..., K, N), leading dims broadcast; both of two dims or more.
Plain plain_matmul(const Plains& in) {
  const Plain& a = in[0];
  const Plain& b = in[1];
  auto lead = [](const Dims& s) { return Dims(std::span(s.data(), s.size() - 2)); };
  int64_t m = a.shape[a.shape.size() - 2];
  int64_t k = a.shape.back();
  int64_t n = b.shape.back();
  Plain out{broadcast_shapes(lead(a.shape), lead(b.shape), "reference"), {}};
  auto batch = static_cast<size_t>(num_elements(out.shape));
  for (size_t i = 0; i < batch; ++i) {
    const double* x = a.values.data() +
                      static_cast<int64_t>(broadcast_index(i, out.shape, lead(a.shape))) * m * k;
    const double* y = b.values.data() +
                      static_cast<int64_t>(broadcast_index(i, out.shape, lead(b.shape))) * k * n;
    for (int64_t row = 0; row < m; ++row) {
      for (int64_t col = 0; col < n; ++col) {
        double sum = 0;
        for (int64_t j = 0; j < k; ++j) sum += x[row * k + j] * y[j * n + col];
        out.values.push_back(sum);
      }
    }
  }
  out.shape.push_back(m);
  out.shape.push_back(n);
  return out;
}

// x weight^T + bias
Plain plain_linear(const Plains& in) {
  auto inner = static_cast<size_t>(in[1].shape[1]);
  auto outer = static_cast<size_t>(in[1].shape[0]);
  Plain out{in[0].shape, {}};
  out.shape.back() = in[1].shape[0];
  auto rows = static_cast<size_t>(num_elements(leading(in[0].shape)));
  for (size_t row = 0; row < rows; ++row) {
    for (size_t o = 0; o < outer; ++o) {
      double sum = in.size() > 2 ? in[2].values[o] : 0;
      for (size_t i = 0; i < inner; ++i) {
        sum += in[0].values[row * inner + i] * in[1].values[o * inner + i];
      }
      out.values.push_back(sum);
    }
  }
  return out;
}

Plain plain_layer_norm(const Plains& in) {
  Plain out = in[0];
  auto cols = static_cast<size_t>(in[0].shape.back());
  auto n = static_cast<double>(cols);
  for (size_t i = 0; i < out.values.size(); i += cols) {
    double* row = out.values.data() + i;
    double mean = 0;
    double variance = 0;
    for (size_t j = 0; j < cols; ++j) mean += row[j] / n;
    for (size_t j = 0; j < cols; ++j) variance += (row[j] - mean) * (row[j] - mean) / n;
    for (size_t j = 0; j < cols; ++j) {
      row[j] = (row[j] - mean) / std::sqrt(variance + 1e-5) * in[1].values[j] + in[2].values[j];
    }
  }
  return out;
}

template <bool kCausal>
Plain plain_attention(const Plains& in) {
  const Dims& q = in[0].shape;
  auto heads = static_cast<size_t>(q[0] * q[1]);
  auto queries = static_cast<size_t>(q[2]);
  auto width = static_cast<size_t>(q[3]);
  auto keys = static_cast<size_t>(in[1].shape[2]);
  auto v_width = static_cast<size_t>(in[2].shape[3]);
  Plain out{{q[0], q[1], q[2], in[2].shape[3]}, std::vector<double>(heads * queries * v_width)};
  for (size_t h = 0; h < heads; ++h) {
    for (size_t i = 0; i < queries; ++i) {
      std::vector<double> p(kCausal ? std::min(i + 1, keys) : keys);
      for (size_t s = 0; s < p.size(); ++s) {
        double score = 0;
        for (size_t d = 0; d < width; ++d) {
          score += in[0].values[(h * queries + i) * width + d] *
                   in[1].values[(h * keys + s) * width + d];
        }
        p[s] = score / std::sqrt(static_cast<double>(width));
      }
      plain_softmax(p.data(), p.size(), p.data());
      for (size_t s = 0; s < p.size(); ++s) {
        for (size_t e = 0; e < v_width; ++e) {
          out.values[(h * queries + i) * v_width + e] +=
              p[s] * in[2].values[(h * keys + s) * v_width + e];
        }
      }
    }
  }
  return out;
}

// --- Integer inputs, made from the shape of the others -------------------------------------------

// Integers in [0, limit), some of them repeated.
Array indices(const Dims& shape, int64_t limit) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < num_elements(shape); ++i) values.push_back(i * i * 7 % 31 % limit);
  return Array::from(values, shape);
}

Array targets_of(const Dims& logits) { return indices(leading(logits), logits.back()); }

Plain plain_losses(const Plains& in) {
  auto cols = static_cast<size_t>(in[0].shape.back());
  std::vector<int64_t> targets = targets_of(in[0].shape).to_vector<int64_t>();
  Plain out{leading(in[0].shape), {}};
  for (size_t i = 0; i < targets.size(); ++i) {
    const double* row = in[0].values.data() + i * cols;
    out.values.push_back(log_sum_exp(row, cols) - row[targets[i]]);
  }
  return out;
}

// --- Rows ---------------------------------------------------------------------------------------

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

OpCase unary(std::string name, Unary fn, double (*reference)(double), double low, double high,
             double gap = 0) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0]); },
          .inputs = {{{{2, 3}, low, high, gap}},
                     {{{}, low, high, gap}},
                     {{{0, 2}, low, high, gap}},
                     {{{19}, low, high, gap}}},
          .large = {{{70, 1001}, low, high, gap}},
          .reference = each(reference)};
}

// The second operand comes from [low, high) and away from zero by gap.
OpCase binary(std::string name, Binary fn, double (*reference)(double, double), double low = -2,
              double high = 2, double gap = 0) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0], in[1]); },
          .inputs = {{{{2, 3}}, {{2, 3}, low, high, gap}},
                     {{{2, 3}}, {{3}, low, high, gap}},
                     {{{2, 1}}, {{3}, low, high, gap}},
                     {{{}}, {{2, 1, 2}, low, high, gap}},
                     {{{0, 3}}, {{1, 3}, low, high, gap}}},
          .large = {{{70, 1001}}, {{1001}, low, high, gap}},
          .reference = each_pair(reference)};
}

// An operation that moves elements: its own f64 result is its reference.
OpCase moves(std::string name, Unary fn, std::vector<InputSpecs> inputs, InputSpecs large) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0]); },
          .inputs = std::move(inputs),
          .large = std::move(large),
          .any_dtype = true};
}

void add_elementwise(std::vector<OpCase>& out) {
  out.push_back(binary("add", add, [](double a, double b) { return a + b; }));
  out.push_back(binary("sub", sub, [](double a, double b) { return a - b; }));
  out.push_back(binary("mul", mul, [](double a, double b) { return a * b; }));
  out.push_back(binary(
      "div", div, [](double a, double b) { return a / b; }, -2, 2, 0.5));
  out.push_back(binary("maximum", maximum, [](double a, double b) { return std::max(a, b); }));
  out.push_back(binary("minimum", minimum, [](double a, double b) { return std::min(a, b); }));
  out.push_back(unary(
      "affine", [](const Tensor& x) { return affine(x, 3, -0.5); },
      [](double x) { return 3 * x - 0.5; }, -2, 2));
  out.push_back(unary(
      "neg", neg, [](double x) { return -x; }, -2, 2));
  out.push_back(unary(
      "abs", abs, [](double x) { return std::abs(x); }, -2, 2, 0.1));
  out.push_back(unary(
      "sign", sign, [](double x) { return x < 0 ? -1.0 : 1.0; }, -2, 2, 0.1));
  out.push_back(unary(
      "square", square, [](double x) { return x * x; }, -2, 2));
  out.push_back(unary(
      "sqrt", sqrt, [](double x) { return std::sqrt(x); }, 0.2, 4));
  out.push_back(unary(
      "exp", exp, [](double x) { return std::exp(x); }, -3, 3));
  out.push_back(unary(
      "log", log, [](double x) { return std::log(x); }, 0.2, 4));
  out.push_back(unary(
      "reciprocal", reciprocal, [](double x) { return 1 / x; }, -2, 2, 0.3));
  out.push_back(unary(
      "tanh", tanh, [](double x) { return std::tanh(x); }, -3, 3));
  out.push_back(unary(
      "sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -5, 5));
  out.push_back(unary(
      "relu", relu, [](double x) { return std::max(x, 0.0); }, -2, 2, 0.1));
  out.push_back(unary(
      "gelu", gelu, [](double x) { return x * 0.5 * std::erfc(-x * M_SQRT1_2); }, -4, 4));
}

void add_shape(std::vector<OpCase>& out) {
  out.push_back(moves("reshape",
                      [](const Tensor& x) {
                        return reshape(x, {x.size(1), -1});
                      },
                      {{{{2, 3}}}, {{{2, 3, 2}}}}, {{{300, 301}}}));
  out.push_back(moves("transpose", [](const Tensor& x) { return transpose(x, 0, -1); },
                      {{{{2, 3}}}, {{{2, 3, 2}}}, {{{0, 3}}}}, {{{300, 301}}}));
  out.push_back(moves("permute",
                      [](const Tensor& x) {
                        return permute(x, {2, 0, -2});
                      },
                      {{{{2, 3, 2}}}}, {{{30, 31, 32}}}));
  out.push_back(moves("expand",
                      [](const Tensor& x) {
                        return expand(x, {3, -1, 2});
                      },
                      {{{{2, 1}}}, {{{1, 1}}}, {{{1, 2, 1}}}}, {{{1, 20000, 1}}}));
  out.push_back(moves("slice", [](const Tensor& x) { return slice(x, -1, 1, 100, 2); },
                      {{{{2, 5}}}, {{{4}}}, {{{2, 1}}}}, {{{200, 201}}}));
  out.push_back(moves("select", [](const Tensor& x) { return select(x, 1, -1); },
                      {{{{2, 3}}}, {{{2, 3, 2}}}}, {{{200, 3, 200}}}));
  out.push_back(moves("unsqueeze", [](const Tensor& x) { return unsqueeze(x, 1); },
                      {{{{2, 3}}}, {{{3}}}}, {{{200, 201}}}));
  out.push_back(moves("squeeze", [](const Tensor& x) { return squeeze(x, 0); },
                      {{{{1, 3}}}, {{{2, 3}}}}, {{{1, 40000}}}));
  out.push_back(moves("contiguous", [](const Tensor& x) { return contiguous(transpose(x, 0, 1)); },
                      {{{{2, 3}}}}, {{{300, 301}}}));
}

void add_reduce(std::vector<OpCase>& out) {
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
}

void add_matmul(std::vector<OpCase>& out) {
  out.push_back({.name = "matmul",
                 .fn = [](const Inputs& in) { return matmul(in[0], in[1]); },
                 .inputs = {{{{2, 3}}, {{3, 2}}},
                            {{{1, 3}}, {{3, 1}}},
                            {{{2, 2, 3}}, {{3, 2}}},
                            {{{2, 2, 3}}, {{2, 3, 1}}},
                            {{{2, 1, 2, 3}}, {{2, 3, 2}}},
                            {{{2, 3}}, {{2, 3, 2}}},
                            {{{2, 0}}, {{0, 2}}}},
                 .large = {{{400, 150}}, {{150, 130}}},
                 .reference = plain_matmul,
                 .layout_changes_bits = true,
                 .tolerance_f32 = 3e-5});
  out.push_back({.name = "matmul_batch",
                 .fn = [](const Inputs& in) { return matmul(in[0], in[1]); },
                 .inputs = {{{{3, 1, 2}}, {{3, 2, 1}}}},
                 .large = {{{12, 40, 50}}, {{50, 30}}},
                 .reference = plain_matmul,
                 .op = "matmul",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 3e-5});
  out.push_back({.name = "matmul_vector",
                 .fn = [](const Inputs& in) { return matmul(in[0], in[1]); },
                 .inputs = {{{{3}}, {{3}}},
                            {{{3}}, {{3, 2}}},
                            {{{2, 3}}, {{3}}},
                            {{{2, 2, 3}}, {{3}}},
                            {{{3}}, {{2, 3, 2}}}},
                 .large = {{{400, 900}}, {{900}}},
                 .op = "matmul",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
  out.push_back({.name = "linear",
                 .fn = [](const Inputs& in) { return linear(in[0], in[1], in[2]); },
                 .inputs = {{{{2, 3}}, {{4, 3}}, {{4}}},
                            {{{3}}, {{2, 3}}, {{2}}},
                            {{{2, 2, 1}}, {{1, 1}}, {{1}}},
                            {{{0, 3}}, {{2, 3}}, {{2}}},
                            {{{2, 0}}, {{2, 0}}, {{2}}},
                            {{{2, 3}}, {{0, 3}}, {{0}}}},
                 .large = {{{500, 150}}, {{130, 150}}, {{130}}},
                 .reference = plain_linear,
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
  out.push_back({.name = "linear_no_bias",
                 .fn = [](const Inputs& in) { return linear(in[0], in[1]); },
                 .inputs = {{{{2, 3}}, {{4, 3}}}, {{{2, 2, 3}}, {{1, 3}}}},
                 .large = {{{70, 2500}}, {{30, 2500}}},
                 .reference = plain_linear,
                 .op = "linear",
                 .layout_changes_bits = true,
                 .tolerance_f32 = 5e-5});
}

void add_rows(std::vector<OpCase>& out) {
  auto softmax_like = [&](std::string name, Tensor (*fn)(const Tensor&, int64_t), auto reference) {
    out.push_back({.name = name,
                   .fn = [fn](const Inputs& in) { return fn(in[0], -1); },
                   .inputs = {{{{2, 3}}}, {{{1}}}, {{{2, 2, 2}}}, {{{0, 3}}}},
                   .large = {{{300, 257}}},
                   .reference = each_row(reference)});
    out.push_back({.name = name + "_first_dim",
                   .fn = [fn](const Inputs& in) { return fn(in[0], 0); },
                   .inputs = {{{{2, 3}}}, {{{}}}, {{{3, 1, 2}}}},
                   .large = {{{130, 300}}},
                   .op = name});
  };
  softmax_like("softmax", softmax, plain_softmax);
  softmax_like("log_softmax", log_softmax, plain_log_softmax);
  out.push_back({.name = "layer_norm",
                 .fn = [](const Inputs& in) { return layer_norm(in[0], in[1], in[2]); },
                 .inputs = {{{{3, 4}}, {{4}}, {{4}}},
                            {{{5}}, {{5}}, {{5}}},
                            {{{2, 1, 3}}, {{3}}, {{3}}},
                            {{{0, 3}}, {{3}}, {{3}}}},
                 .large = {{{700, 130}}, {{130}}, {{130}}},
                 .reference = plain_layer_norm,
                 .tolerance_f32 = 5e-5});
  out.push_back({.name = "embedding",
                 .fn =
                     [](const Inputs& in) {
                       int64_t rows = in[0].size(0);
                       return embedding(in[0], Tensor(indices({2, 2 * rows}, rows)));
                     },
                 .inputs = {{{{4, 3}}}, {{{1, 1}}}, {{{3, 0}}}},
                 .large = {{{300, 200}}},
                 .any_dtype = true});
}

void add_losses(std::vector<OpCase>& out) {
  auto loss = [&](std::string name, Reduction reduction, PlainFunction reference) {
    out.push_back({.name = std::move(name),
                   .fn =
                       [reduction](const Inputs& in) {
                         return cross_entropy(in[0], Tensor(targets_of(in[0].shape())), reduction);
                       },
                   .inputs = {{{{3, 4}}}, {{{5}}}, {{{2, 2, 3}}}},
                   .large = {{{600, 130}}},
                   .reference = std::move(reference),
                   .op = "cross_entropy",
                   .tolerance_f32 = 2e-5});
  };
  loss("cross_entropy_none", Reduction::none, plain_losses);
  loss("cross_entropy_sum", Reduction::sum, [](const Plains& in) {
    return Plain{{}, {total(plain_losses(in))}};
  });
  loss("cross_entropy_mean", Reduction::mean, [](const Plains& in) {
    Plain losses = plain_losses(in);
    return Plain{{}, {total(losses) / static_cast<double>(losses.values.size())}};
  });
}

void add_attention(std::vector<OpCase>& out) {
  auto attention = [&](std::string name, bool causal, PlainFunction reference) {
    out.push_back({.name = std::move(name),
                   .fn =
                       [causal](const Inputs& in) {
                         return scaled_dot_product_attention(in[0], in[1], in[2], causal);
                       },
                   .inputs = {{{{1, 2, 3, 2}}, {{1, 2, 3, 2}}, {{1, 2, 3, 2}}},
                              {{{2, 1, 2, 3}}, {{2, 1, 4, 3}}, {{2, 1, 4, 1}}},
                              {{{1, 1, 4, 1}}, {{1, 1, 2, 1}}, {{1, 1, 2, 2}}},
                              {{{1, 1, 0, 2}}, {{1, 1, 2, 2}}, {{1, 1, 2, 2}}}},
                   .large = {{{2, 3, 130, 16}}, {{2, 3, 130, 16}}, {{2, 3, 130, 16}}},
                   .reference = std::move(reference),
                   .op = "attention",
                   .layout_changes_bits = true,
                   .tolerance_f32 = 3e-5});
  };
  attention("attention", false, plain_attention<false>);
  attention("attention_causal", true, plain_attention<true>);
  out.push_back({.name = "self_attention",
                 .fn = [](const Inputs& in) { return self_attention(in[0], 2, true); },
                 .inputs = {{{{1, 3, 6}}}, {{{2, 2, 12}}}, {{{1, 1, 6}}}},
                 .large = {{{2, 130, 96}}},
                 .layout_changes_bits = true,
                 .tolerance_f32 = 3e-5});
}

void add_random(std::vector<OpCase>& out) {
  out.push_back({.name = "dropout",
                 .fn =
                     [](const Inputs& in) {
                       context().random.begin(1, 2, 3);
                       return dropout(in[0], 0.4, true);
                     },
                 .inputs = {{{{4, 5}}}, {{{}}}, {{{0, 2}}}},
                 .large = {{{70, 1001}}},
                 .draws = true});
}

std::vector<OpCase> make_op_cases() {
  std::vector<OpCase> out;
  add_elementwise(out);
  add_shape(out);
  add_reduce(out);
  add_matmul(out);
  add_rows(out);
  add_losses(out);
  add_attention(out);
  add_random(out);
  for (OpCase& row : out) {
    if (row.op.empty()) row.op = row.name;
    if (row.large.empty()) row.large = row.inputs.back();
  }
  return out;
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> cases = make_op_cases();
  return cases;
}

std::ostream& operator<<(std::ostream& out, const OpCase& op_case) { return out << op_case.name; }

std::vector<Tensor> sample(const InputSpecs& specs, DType dtype, uint64_t seed) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < specs.size(); ++i) {
    const InputSpec& spec = specs[i];
    Array x = random_array(spec.shape, DType::f32, 1000 * seed + i, spec.low, spec.high);
    auto* values = x.data<float>();
    for (int64_t j = 0; j < x.numel(); ++j) {
      auto gap = static_cast<float>(spec.gap);
      if (std::abs(values[j]) < gap) values[j] = std::copysign(gap, values[j]) + values[j];
    }
    out.emplace_back(x.to(dtype), is_floating(dtype));
  }
  return out;
}

}  // namespace tessera::test
