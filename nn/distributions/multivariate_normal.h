// MultivariateNormal: vectors of normal numbers that depend on each other.
#pragma once

#include "nn/distributions/distribution.h"

namespace tessera::distributions {

// loc (batch..., D), and one of three matrices (batch..., D, D), which broadcast in their batches:
// the covariance, symmetric positive definite; its inverse, the precision; or the lower triangular
// scale_tril, with a diagonal above 0, whose product with its transpose is the covariance. f32 or
// f64.
class MultivariateNormal final : public Reparameterized {
 public:
  MultivariateNormal(ParameterArg loc, ParameterArg covariance_matrix);
  static MultivariateNormal from_precision(ParameterArg loc, ParameterArg precision_matrix);
  static MultivariateNormal from_scale_tril(ParameterArg loc, ParameterArg scale_tril);

  const Tensor& loc() const { return loc_; }
  const Tensor& scale_tril() const { return scale_tril_; }
  Tensor covariance_matrix() const;
  Tensor precision_matrix() const;

 private:
  MultivariateNormal();
  // scale_tril is of the dtype of loc.
  void set(const Tensor& loc, const Tensor& scale_tril);
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override { return loc_; }
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return loc_.dtype(); }

  Tensor loc_;
  Tensor scale_tril_;
};

// log det of the covariance, divided by 2: of a lower triangular factor (..., D, D).
Tensor half_log_det(const Tensor& scale_tril);

}  // namespace tessera::distributions
