// Factors of matrices and what is made of them. The functions add to their inputs what keeps the
// matrices well conditioned, and take of vectors only what does not depend on their sign.
#include <set>
#include <string>

#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// x (..., m, n) with 5, 8, 11, ... added along its diagonal, which keeps singular values apart.
Tensor with_diagonal(const Tensor& x) {
  int64_t m = x.size(-2);
  int64_t n = x.size(-1);
  Tensor rows = reshape(arange(m), {m, 1});
  Tensor values = (rows == arange(n)) * (rows * 3 + 5);
  return x + Tensor(values.data().to(x.dtype()).to(x.device()));
}

Tensor symmetric(const Tensor& x) { return with_diagonal(x + transpose(x, -1, -2)); }

Tensor positive_definite(const Tensor& x) { return with_diagonal(matmul(x, transpose(x, -1, -2))); }

OpCase matrices_row(std::string name, std::string op, std::function<Tensor(const Inputs&)> fn,
                    std::vector<InputSpecs> inputs, InputSpecs large) {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = std::move(inputs),
          .large = std::move(large),
          .op = std::move(op),
          .layout_changes_bits = true,
          .tolerance_f32 = 5e-5};
}

OpCase square_row(std::string name, std::string op, Unary fn) {
  return matrices_row(std::move(name), std::move(op), [fn](const Inputs& in) { return fn(in[0]); },
                      {{{{3, 3}}}, {{{2, 2, 2}}}, {{{1, 1}}}, {{{0, 2, 2}}}},
                      {{{9, 20, 20}, -0.2, 0.2}});
}

OpCase any_row(std::string name, std::string op, Unary fn) {
  return matrices_row(std::move(name), std::move(op), [fn](const Inputs& in) { return fn(in[0]); },
                      {{{{3, 2}}}, {{{2, 3}}}, {{{2, 2, 2}}}, {{{2, 0, 2}}}},
                      {{{9, 25, 20}, -0.2, 0.2}});
}

void add_factors(std::vector<OpCase>& out) {
  out.push_back(square_row("cholesky", "cholesky",
                           [](const Tensor& x) { return cholesky(positive_definite(x)); }));
  out.push_back(square_row("cholesky_upper", "cholesky",
                           [](const Tensor& x) { return cholesky(positive_definite(x), true); }));
  out.push_back(any_row("qr_q", "qr", [](const Tensor& x) { return qr(with_diagonal(x)).q; }));
  out.push_back(any_row("qr_r", "qr", [](const Tensor& x) { return qr(with_diagonal(x)).r; }));
  out.push_back(any_row("qr_both", "qr", [](const Tensor& x) {
    Qr f = qr(with_diagonal(x));
    return matmul(f.q * f.q, f.r * f.r);
  }));
  out.push_back(matrices_row("qr_complete", "qr",
                             [](const Inputs& in) {
                               Qr f = qr(with_diagonal(in[0]), QrMode::complete);
                               return matmul(f.q * 2, f.r * f.r);
                             },
                             {{{{2, 3}}}, {{{2, 2}}}}, {{{9, 20, 25}, -0.2, 0.2}}));
  out.push_back(any_row("svd_u", "svd",
                        [](const Tensor& x) { return square(svd(with_diagonal(x), false).u); }));
  out.push_back(any_row("svd_vh", "svd",
                        [](const Tensor& x) { return square(svd(with_diagonal(x), false).vh); }));
  out.push_back(any_row("svd_all", "svd", [](const Tensor& x) {
    Svd f = svd(with_diagonal(x), false);
    return matmul(f.u * unsqueeze(log(f.s), -2), f.vh);
  }));
  out.push_back(any_row("svd_full", "svd", [](const Tensor& x) {
    Svd f = svd(with_diagonal(x));
    int64_t k = f.s.size(-1);
    return matmul(square(narrow(f.u, -1, 0, k)) * unsqueeze(f.s, -2),
                  square(narrow(f.vh, -2, 0, k)));
  }));
  out.push_back(
      any_row("svdvals", "svdvals", [](const Tensor& x) { return svdvals(with_diagonal(x)); }));
  out.push_back(square_row("eigh", "eigh", [](const Tensor& x) {
    Eigh f = eigh(symmetric(x));
    return square(f.eigenvectors) * unsqueeze(f.eigenvalues, -2);
  }));
  out.push_back(square_row("eigh_upper", "eigh", [](const Tensor& x) {
    return square(eigh(symmetric(x), true).eigenvectors);
  }));
  out.push_back(
      square_row("eigvalsh", "eigvalsh", [](const Tensor& x) { return eigvalsh(symmetric(x)); }));
}

void add_solutions(std::vector<OpCase>& out) {
  auto solves = [](bool left) {
    return [left](const Inputs& in) { return solve(with_diagonal(in[0]), in[1], left); };
  };
  out.push_back(matrices_row("solve", "solve", solves(true),
                             {{{{3, 3}}, {{3, 2}}},
                              {{{2, 2, 2}}, {{2, 1}}},
                              {{{2, 2}}, {{2, 2, 1}}},
                              {{{2, 2, 2}}, {{2, 2}}},
                              {{{2, 2}}, {{2}}},
                              {{{0, 2, 2}}, {{2, 2}}}},
                             {{{9, 20, 20}, -0.2, 0.2}, {{9, 20, 6}}}));
  out.push_back(matrices_row("solve_right", "solve", solves(false),
                             {{{{3, 3}}, {{2, 3}}}, {{{2, 2, 2}}, {{1, 2}}}},
                             {{{9, 20, 20}, -0.2, 0.2}, {{9, 6, 20}}}));
  auto triangular = [&](std::string name, bool upper, bool left, bool unit) {
    out.push_back(matrices_row(std::move(name), "solve_triangular",
                               [=](const Inputs& in) {
                                 return solve_triangular(unit ? in[0] : with_diagonal(in[0]), in[1],
                                                         upper, left, unit);
                               },
                               {{{{3, 3}}, left ? InputSpec{{3, 2}} : InputSpec{{2, 3}}},
                                {{{2, 2, 2}}, left ? InputSpec{{2, 1}} : InputSpec{{1, 2}}}},
                               {{{9, 20, 20}, -0.2, 0.2}, {{9, 20, 20}}}));
  };
  triangular("solve_triangular_upper", true, true, false);
  triangular("solve_triangular_lower", false, true, false);
  triangular("solve_triangular_right", true, false, false);
  triangular("solve_triangular_unit", false, true, true);
  triangular("solve_triangular_unit_right", true, false, true);
  out.push_back(square_row("inv", "inv", [](const Tensor& x) { return inv(with_diagonal(x)); }));
  out.push_back(
      square_row("det", "det", [](const Tensor& x) { return det(with_diagonal(x) * 0.125); }));
  out.push_back(square_row("slogdet", "slogdet",
                           [](const Tensor& x) { return slogdet(with_diagonal(x)).logabsdet; }));
  out.push_back(any_row("pinv", "pinv", [](const Tensor& x) { return pinv(with_diagonal(x)); }));
  out.push_back(square_row("pinv_hermitian", "pinv",
                           [](const Tensor& x) { return pinv(symmetric(x), {}, true); }));
  out.push_back(matrices_row(
      "lstsq", "lstsq",
      [](const Inputs& in) { return lstsq(with_diagonal(in[0]), in[1]).solution; },
      {{{{3, 2}}, {{3, 2}}}, {{{2, 3}}, {{2, 1}}}, {{{2, 2, 2}}, {{2, 2}}}, {{{0, 2}}, {{0, 1}}}},
      {{{9, 25, 20}, -0.2, 0.2}, {{9, 25, 6}}}));
  out.push_back(matrices_row(
      "lstsq_residuals", "lstsq",
      [](const Inputs& in) { return lstsq(with_diagonal(in[0]), in[1]).residuals; },
      {{{{3, 2}}, {{3, 2}}}, {{{2, 3, 1}}, {{2, 3}}}}, {{{9, 25, 20}, -0.2, 0.2}, {{9, 25, 6}}}));
  out.push_back(square_row("cond", "cond", [](const Tensor& x) { return cond(with_diagonal(x)); }));
  out.push_back(
      square_row("cond_1", "cond", [](const Tensor& x) { return cond(with_diagonal(x), 1); }));
}

void add_matrix_functions(std::vector<OpCase>& out) {
  out.push_back(square_row("matrix_power", "matrix_power",
                           [](const Tensor& x) { return matrix_power(x, 5); }));
  out.push_back(square_row("matrix_power_negative", "matrix_power",
                           [](const Tensor& x) { return matrix_power(with_diagonal(x), -3); }));
  out.push_back(square_row("matrix_power_0", "matrix_power",
                           [](const Tensor& x) { return matrix_power(x, 0); }));
  out.push_back(
      square_row("matrix_exp", "matrix_exp", [](const Tensor& x) { return matrix_exp(x); }));
}

void add_correlations(std::vector<OpCase>& out) {
  auto rows = [&](std::string name, std::string op, std::function<Tensor(const Inputs&)> fn) {
    out.push_back(matrices_row(std::move(name), std::move(op), std::move(fn),
                               {{{{2, 4}}}, {{{3}}}, {{{1, 3}}}}, {{{40, 300}}}));
  };
  rows("cov", "cov", [](const Inputs& in) { return cov(in[0]); });
  rows("cov_correction", "cov", [](const Inputs& in) { return cov(in[0], 0); });
  rows("cov_weights", "cov", [](const Inputs& in) {
    int64_t n = in[0].size(-1);
    Tensor often(arange(n).data().to(in[0].device()));
    Tensor much(linspace(0.5, 2, n, DType::f64).data().to(in[0].device()));
    return cov(in[0], 1, often, much);
  });
  rows("corrcoef", "corrcoef", [](const Inputs& in) { return corrcoef(in[0]); });
  for (double p : {0.5, 1.0, 2.0, 3.0, double(INFINITY)}) {
    out.push_back(matrices_row(
        fmt::format("cdist_{}", p == 0.5 ? "half" : fmt::format("{}", p)), "cdist",
        [p](const Inputs& in) { return cdist(in[0], in[1], p); },
        {{{{2, 3}}, {{3, 3}, 3, 5}}, {{{2, 1, 2}}, {{2, 2}, 3, 5}}, {{{2, 0}}, {{3, 0}}}},
        {{{3, 70, 40}}, {{90, 40}, 3, 5}}));
  }
}

}  // namespace

std::vector<OpCase> decomposition_cases() {
  std::vector<OpCase> out;
  add_factors(out);
  add_solutions(out);
  add_matrix_functions(out);
  // The others hold to f64 at the ends of f32 as well.
  const std::set<std::string> held{"det",
                                   "matrix_exp",
                                   "matrix_power",
                                   "matrix_power_0",
                                   "pinv",
                                   "qr_both",
                                   "qr_complete",
                                   "svdvals",
                                   "solve_triangular_unit",
                                   "solve_triangular_unit_right"};
  for (OpCase& row : out) row.factors = !held.contains(row.name);
  add_correlations(out);
  return out;
}

}  // namespace tessera::test
