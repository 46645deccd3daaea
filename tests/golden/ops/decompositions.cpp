#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

Tensor symmetric(const Tensor& x) { return (x + transpose(x, -1, -2)) / 2; }

void add_factors(GoldenOps& ops) {
  ops["cholesky"] = [](const GoldenArgs& a) {
    return Tensors{cholesky(symmetric(a.tensor(0)), a.flag(1))};
  };
  ops["eigh"] = [](const GoldenArgs& a) {
    Eigh f = eigh(symmetric(a.tensor(0)), a.flag(1));
    return Tensors{f.eigenvalues, f.eigenvectors * f.eigenvectors};
  };
  ops["eigvalsh"] = [](const GoldenArgs& a) { return Tensors{eigvalsh(a.tensor(0))}; };
  for (QrMode mode : {QrMode::reduced, QrMode::complete}) {
    ops[mode == QrMode::reduced ? "qr" : "qr_complete"] = [mode](const GoldenArgs& a) {
      Qr f = qr(a.tensor(0), mode);
      return Tensors{f.q, f.r};
    };
  }
  ops["svd"] = [](const GoldenArgs& a) {
    Svd f = svd(a.tensor(0), false);
    return Tensors{f.u * f.u, f.s, f.vh * f.vh};
  };
  ops["svd_product"] = [](const GoldenArgs& a) {
    Svd f = svd(a.tensor(0), false);
    return Tensors{matmul(f.u * unsqueeze(log(f.s), -2), f.vh)};
  };
  unary(ops, "svdvals", svdvals);
}

void add_solutions(GoldenOps& ops) {
  for (bool left : {true, false}) {
    ops[left ? "solve" : "solve_right"] = [left](const GoldenArgs& a) {
      return Tensors{solve(a.tensor(0), a.tensor(1), left)};
    };
  }
  ops["solve_triangular"] = [](const GoldenArgs& a) {
    return Tensors{solve_triangular(a.tensor(0), a.tensor(1), a.flag(2), a.flag(3), a.flag(4))};
  };
  unary(ops, "inv", inv);
  unary(ops, "det", det);
  ops["slogdet"] = [](const GoldenArgs& a) { return Tensors{slogdet(a.tensor(0)).logabsdet}; };
  ops["slogdet_sign"] = [](const GoldenArgs& a) { return Tensors{slogdet(a.tensor(0)).sign}; };
  ops["pinv"] = [](const GoldenArgs& a) { return Tensors{pinv(a.tensor(0))}; };
  ops["pinv_rtol"] = [](const GoldenArgs& a) {
    return Tensors{pinv(a.tensor(0), {.rtol = a.number(1)})};
  };
  ops["pinv_hermitian"] = [](const GoldenArgs& a) {
    return Tensors{pinv(symmetric(a.tensor(0)), {}, true)};
  };
  ops["matrix_rank"] = [](const GoldenArgs& a) { return Tensors{matrix_rank(a.tensor(0))}; };
  ops["cond"] = [](const GoldenArgs& a) { return Tensors{cond(a.tensor(0), a.number(1))}; };
  ops["lstsq"] = [](const GoldenArgs& a) {
    return Tensors{lstsq(a.tensor(0), a.tensor(1)).solution};
  };
  ops["matrix_power"] = [](const GoldenArgs& a) {
    return Tensors{matrix_power(a.tensor(0) * 0.25, a.integer(1))};
  };
  unary(ops, "matrix_exp", matrix_exp);
}

}  // namespace

void add_decomposition_ops(GoldenOps& ops) {
  add_factors(ops);
  add_solutions(ops);
  ops["cov"] = [](const GoldenArgs& a) { return Tensors{cov(a.tensor(0), a.integer(1))}; };
  ops["cov_weights"] = [](const GoldenArgs& a) {
    return Tensors{cov(a.tensor(0), 1, a.tensor(1), a.tensor(2))};
  };
  unary(ops, "corrcoef", corrcoef);
  ops["cdist"] = [](const GoldenArgs& a) {
    return Tensors{cdist(a.tensor(0), a.tensor(1), a.number(2))};
  };
  ops["histc"] = [](const GoldenArgs& a) {
    return Tensors{histc(a.tensor(0), a.integer(1), a.number(2), a.number(3))};
  };
}

}  // namespace tessera::test
