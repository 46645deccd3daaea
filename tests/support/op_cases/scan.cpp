#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// fn on each line along dim 1 of three, in plain loops.
PlainFunction each_middle(void (*fn)(const double* line, size_t size, double* out)) {
  return [fn](const Plains& in) {
    Plain out = in[0];
    auto n = static_cast<size_t>(in[0].shape[1]);
    auto inner = static_cast<size_t>(in[0].shape[2]);
    std::vector<double> line(n);
    std::vector<double> result(n);
    for (size_t i = 0; i < out.values.size(); ++i) {
      if (i / inner % n != 0) continue;
      for (size_t k = 0; k < n; ++k) line[k] = in[0].values[i + k * inner];
      fn(line.data(), n, result.data());
      for (size_t k = 0; k < n; ++k) out.values[i + k * inner] = result[k];
    }
    return out;
  };
}

void plain_cumsum(const double* line, size_t size, double* out) {
  double sum = 0;
  for (size_t k = 0; k < size; ++k) out[k] = sum += line[k];
}

void plain_cumprod(const double* line, size_t size, double* out) {
  double product = 1;
  for (size_t k = 0; k < size; ++k) out[k] = product *= line[k];
}

void plain_logcumsumexp(const double* line, size_t size, double* out) {
  for (size_t k = 0; k < size; ++k) out[k] = log_sum_exp(line, k + 1);
}

void plain_cummax(const double* line, size_t size, double* out) {
  for (size_t k = 0; k < size; ++k) out[k] = k == 0 ? line[0] : std::max(out[k - 1], line[k]);
}

void plain_cummin(const double* line, size_t size, double* out) {
  for (size_t k = 0; k < size; ++k) out[k] = k == 0 ? line[0] : std::min(out[k - 1], line[k]);
}

}  // namespace

std::vector<OpCase> scan_cases() {
  std::vector<OpCase> out;
  auto middle = [&](std::string name, Unary fn,
                    void (*reference)(const double*, size_t, double*)) -> OpCase& {
    OpCase row =
        moves(std::move(name), std::move(fn),
              {{{{2, 3, 2}}}, {{{1, 4, 1}}}, {{{2, 0, 2}}}, {{{2, 1, 3}}}}, {{{40, 90, 60}}});
    row.reference = each_middle(reference);
    row.tolerance_f32 = 2e-5;
    out.push_back(std::move(row));
    return out.back();
  };
  middle(
      "cumsum", [](const Tensor& x) { return cumsum(x, 1); }, plain_cumsum);
  // Away from zero, and small enough for 90 factors.
  middle(
      "cumprod", [](const Tensor& x) { return cumprod(x, -2); }, plain_cumprod)
      .large = {{{40, 90, 60}, 0.9, 1.1}};
  middle(
      "cummax", [](const Tensor& x) { return cummax(x, 1).values; }, plain_cummax);
  middle(
      "cummin", [](const Tensor& x) { return cummin(x, 1).values; }, plain_cummin);
  middle(
      "logcumsumexp", [](const Tensor& x) { return logcumsumexp(x, 1); }, plain_logcumsumexp)
      .any_dtype = false;
  auto last = [&](std::string name, std::string op, Unary fn) {
    OpCase row = moves(std::move(name), std::move(fn), {{{{2, 3}}}, {{{4}}}, {{{}}}},
                       {{{60, 1001}, 0.99, 1.01}});
    row.op = std::move(op);
    row.tolerance_f32 = 3e-5;
    out.push_back(std::move(row));
  };
  last("cumsum_last", "cumsum", [](const Tensor& x) { return cumsum(x, -1); });
  last("cumprod_last", "cumprod", [](const Tensor& x) { return cumprod(x, -1); });
  last("cummax_last", "cummax", [](const Tensor& x) { return cummax(x, -1).values; });
  last("logcumsumexp_last", "logcumsumexp", [](const Tensor& x) { return logcumsumexp(x, -1); });
  out.back().any_dtype = false;
  for (bool reverse : {false, true}) {
    out.push_back(
        {.name = reverse ? "linear_recurrence_reverse" : "linear_recurrence",
         .fn = [=](const Inputs& in) { return linear_recurrence(in[0], in[1], 1, reverse); },
         .inputs = {{{{2, 3, 2}}, {{2, 3, 2}}}, {{{1, 1}}, {{1, 1}}}},
         .large = {{{40, 90, 60}, -0.9, 0.9}, {{40, 90, 60}}},
         .op = "linear_recurrence"});
  }
  return out;
}

}  // namespace tessera::test
