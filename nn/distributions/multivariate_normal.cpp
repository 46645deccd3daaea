#include "nn/distributions/multivariate_normal.h"

#include "autograd/ops/compare.h"
#include "autograd/ops/creation.h"
#include "autograd/ops/decompositions.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/solve.h"

namespace tessera::distributions {
namespace {

constexpr const char* kMvn = "MultivariateNormal";
constexpr double kHalfLogOfTwoPi = 0.91893853320467274178;

Dims batch_of(const Dims& shape, size_t events) {
  return Dims(std::span(shape.data(), shape.size() - events));
}

struct LocAndMatrix {
  Tensor loc;
  Tensor matrix;
};

// Both of the dtype of both, with shapes that fit.
LocAndMatrix loc_and_matrix(const char* name, const ParameterArg& loc_arg,
                            const ParameterArg& matrix_arg) {
  TESSERA_CHECK(!loc_arg.is_number() && !matrix_arg.is_number(),
                "[MultivariateNormal] expected tensors as loc and {}, got a number", name);
  const Tensor& loc = loc_arg.tensor();
  const Tensor& matrix = matrix_arg.tensor();
  TESSERA_CHECK(loc.dim() >= 1, "[MultivariateNormal] expected a loc (..., D), got {}",
                loc.shape());
  int64_t d = loc.size(-1);
  TESSERA_CHECK(matrix.dim() >= 2 && matrix.size(-1) == d && matrix.size(-2) == d,
                "[MultivariateNormal] expected a {} (..., {}, {}) beside loc {}, got {}", name, d,
                d, loc.shape(), matrix.shape());
  for (const Tensor* x : {&loc, &matrix}) {
    TESSERA_CHECK(x->dtype() == DType::f32 || x->dtype() == DType::f64,
                  "[MultivariateNormal] expected parameters of f32 or f64, got {}", x->dtype());
  }
  TESSERA_CHECK(loc.device() == matrix.device(),
                "[MultivariateNormal] expected loc and {} on one device, got {} and {}", name,
                loc.device(), matrix.device());
  check_real(kMvn, "loc", loc);
  bool wide = loc.dtype() == DType::f64 || matrix.dtype() == DType::f64;
  DType dtype = wide ? DType::f64 : DType::f32;
  return {to(loc, dtype), to(matrix, dtype)};
}

void check_symmetric(const char* name, const Tensor& x) {
  const NoGrad constant;
  check_parameter(kMvn, isclose(x, transpose(x, -1, -2), 1e-5, 1e-6), x,
                  fmt::format("a symmetric {}", name).c_str());
}

// The lower triangular l with l l^T = p^-1. With p turned round in both dims the factor of it,
// turned back, is an upper triangular u with p = u u^T, and l is its inverse, transposed.
Tensor factor_of_inverse(const Tensor& p) {
  Tensor u = flip(cholesky(flip(p, {-2, -1})), {-2, -1});
  Tensor identity = Array(eye(p.size(-1), {}, p.dtype()).data().to(p.device()));
  return solve_triangular(transpose(u, -1, -2), identity, false);
}

}  // namespace

Tensor half_log_det(const Tensor& scale_tril) {
  return sum(log(diagonal(scale_tril, 0, -2, -1)), -1);
}

MultivariateNormal::MultivariateNormal() : Reparameterized(kMvn) {}

void MultivariateNormal::set(const Tensor& loc, const Tensor& scale_tril) {
  Dims batch = broadcast_shapes(batch_of(loc.shape(), 1), batch_of(scale_tril.shape(), 2), kMvn);
  int64_t d = loc.size(-1);
  set_shapes(batch, {d});
  loc_ = expand(loc, joined(batch, {d}));
  scale_tril_ = expand(scale_tril, joined(batch, {d, d}));
}

MultivariateNormal::MultivariateNormal(ParameterArg loc, ParameterArg covariance_matrix)
    : MultivariateNormal() {
  const Composed scope;
  auto [mean, covariance] = loc_and_matrix("covariance_matrix", loc, covariance_matrix);
  check_symmetric("covariance_matrix", covariance);
  set(mean, cholesky(covariance));
}
MultivariateNormal MultivariateNormal::from_precision(ParameterArg loc,
                                                      ParameterArg precision_matrix) {
  const Composed scope;
  auto [mean, precision] = loc_and_matrix("precision_matrix", loc, precision_matrix);
  check_symmetric("precision_matrix", precision);
  MultivariateNormal out;
  out.set(mean, factor_of_inverse(precision));
  return out;
}
MultivariateNormal MultivariateNormal::from_scale_tril(ParameterArg loc, ParameterArg scale_tril) {
  const Composed scope;
  auto [mean, factor] = loc_and_matrix("scale_tril", loc, scale_tril);
  {
    const NoGrad constant;
    check_parameter(kMvn, eq(triu(factor, 1), 0), factor, "a lower triangular scale_tril");
    Tensor diagonals = diagonal(factor, 0, -2, -1);
    check_parameter(kMvn, gt(diagonals, 0), diagonals, "a scale_tril with a diagonal above 0");
  }
  MultivariateNormal out;
  out.set(mean, factor);
  return out;
}

Tensor MultivariateNormal::covariance_matrix() const {
  const Composed scope;
  return matmul(scale_tril_, transpose(scale_tril_, -1, -2));
}
// l^-T l^-1
Tensor MultivariateNormal::precision_matrix() const {
  const Composed scope;
  Tensor identity = Array(eye(loc_.size(-1), {}, dtype()).data().to(loc_.device()));
  Tensor inverse = solve_triangular(scale_tril_, identity, false);
  return matmul(transpose(inverse, -1, -2), inverse);
}

Tensor MultivariateNormal::draw(const Dims& shape) const {
  Tensor noise = unsqueeze(standard_normal(shape, loc_), -1);
  return loc_ + squeeze(matmul(scale_tril_, noise), -1);
}

// -(|l^-1 (x - loc)|^2 + D log(2 pi)) / 2 - log det l. The dims of x before the batch's become
// columns of one equation for each matrix.
Tensor MultivariateNormal::log_density(const Tensor& value) const {
  int64_t d = loc_.size(-1);
  Tensor off = value - loc_;
  size_t samples = off.dim() - 1 - batch_shape().size();
  Dims sample_shape = batch_of(off.shape(), off.dim() - samples);
  Tensor rows = reshape(off, joined({num_elements(sample_shape)}, loc_.shape()));
  Tensor columns = moveaxis(rows, {0}, {-1});
  Tensor z = solve_triangular(scale_tril_, columns, false);
  Tensor squares = moveaxis(sum(square(z), -2), {-1}, {0});
  Tensor distance = reshape(squares, joined(sample_shape, batch_shape()));
  return -0.5 * distance - half_log_det(scale_tril_) - static_cast<double>(d) * kHalfLogOfTwoPi;
}
Tensor MultivariateNormal::own_entropy() const {
  return half_log_det(scale_tril_) + static_cast<double>(loc_.size(-1)) * (0.5 + kHalfLogOfTwoPi);
}
Tensor MultivariateNormal::own_variance() const { return sum(square(scale_tril_), -1); }
void MultivariateNormal::check_value(const Tensor& value) const {
  check_all(logical_not(isnan(value)), value, "real numbers");
}

}  // namespace tessera::distributions
