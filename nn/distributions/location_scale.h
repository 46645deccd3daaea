// Distributions over all real numbers, or an interval, moved and stretched: Normal, Laplace,
// StudentT, Uniform; and LogNormal, the exponential of a Normal.
#pragma once

#include "nn/distributions/distribution.h"

namespace tessera::distributions {

// scale > 0.
class Normal final : public Reparameterized {
 public:
  Normal(ParameterArg loc, ParameterArg scale);
  const Tensor& loc() const { return loc_; }
  const Tensor& scale() const { return scale_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override { return loc_; }
  Tensor own_variance() const override;
  Tensor own_stddev() const override { return scale_; }
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return loc_.dtype(); }

  friend class LogNormal;
  // Whose errors name another class.
  Normal(const char* name, const ParameterArg& loc, const ParameterArg& scale);

  Tensor loc_;
  Tensor scale_;
};

// exp of a Normal(loc, scale).
class LogNormal final : public Reparameterized {
 public:
  LogNormal(ParameterArg loc, ParameterArg scale);
  const Tensor& loc() const { return base_.loc(); }
  const Tensor& scale() const { return base_.scale(); }
  // The distribution of the logarithm.
  const Normal& base() const { return base_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return loc().dtype(); }

  Normal base_;
};

// exp(-|x - loc| / scale) / (2 scale), scale > 0.
class Laplace final : public Reparameterized {
 public:
  Laplace(ParameterArg loc, ParameterArg scale);
  const Tensor& loc() const { return loc_; }
  const Tensor& scale() const { return scale_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override { return loc_; }
  Tensor own_variance() const override;
  Tensor own_stddev() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return loc_.dtype(); }

  Tensor loc_;
  Tensor scale_;
};

// loc + scale t, for a t of df degrees of freedom: df > 0, scale > 0. The mean is NaN for df of at
// most 1, the variance infinite for df of at most 2, and NaN where the mean is.
class StudentT final : public Reparameterized {
 public:
  explicit StudentT(ParameterArg df, ParameterArg loc = 0, ParameterArg scale = 1);
  const Tensor& df() const { return df_; }
  const Tensor& loc() const { return loc_; }
  const Tensor& scale() const { return scale_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return loc_.dtype(); }

  Tensor df_;
  Tensor loc_;
  Tensor scale_;
};

// In [low, high), low < high. log_prob takes high too, whose density is 0.
class Uniform final : public Reparameterized {
 public:
  Uniform(ParameterArg low, ParameterArg high);
  const Tensor& low() const { return low_; }
  const Tensor& high() const { return high_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  Tensor own_stddev() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return low_.dtype(); }

  Tensor low_;
  Tensor high_;
};

}  // namespace tessera::distributions
