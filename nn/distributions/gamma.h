// Distributions over positive numbers, and over shares of a whole: Exponential, Gamma, Beta,
// Dirichlet. Their samples are above 0, and shares below 1, as far as the dtype has such numbers.
#pragma once

#include "nn/distributions/distribution.h"

namespace tessera::distributions {

// rate exp(-rate x), rate > 0.
class Exponential final : public Reparameterized {
 public:
  explicit Exponential(ParameterArg rate);
  const Tensor& rate() const { return rate_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  Tensor own_stddev() const override { return own_mean(); }
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return rate_.dtype(); }

  Tensor rate_;
};

// rate^c x^(c - 1) exp(-rate x) / gamma(c) for the concentration c > 0; rate > 0. Gradients of
// samples are implicit (autograd/ops/sampling.h).
class Gamma final : public Reparameterized {
 public:
  Gamma(ParameterArg concentration, ParameterArg rate);
  const Tensor& concentration() const { return concentration_; }
  const Tensor& rate() const { return rate_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return rate_.dtype(); }

  Tensor concentration_;
  Tensor rate_;
};

// x^(a - 1) (1 - x)^(b - 1) / beta(a, b); a > 0, b > 0, PyTorch's concentration1 and
// concentration0.
class Beta final : public Reparameterized {
 public:
  Beta(ParameterArg a, ParameterArg b);
  const Tensor& a() const { return a_; }
  const Tensor& b() const { return b_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return a_.dtype(); }

  Tensor a_;
  Tensor b_;
};

// Rows of K shares that add up to 1, for concentrations (batch..., K) above 0. Those of values may
// be off from 1 by 1e-6.
class Dirichlet final : public Reparameterized {
 public:
  explicit Dirichlet(ParameterArg concentration);
  const Tensor& concentration() const { return concentration_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return concentration_.dtype(); }

  Tensor concentration_;
};

}  // namespace tessera::distributions
