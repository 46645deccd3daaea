#include "nn/distributions/location_scale.h"

#include <cmath>
#include <numbers>

#include "autograd/ops/creation.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/sampling.h"
#include "autograd/ops/shape.h"

namespace tessera::distributions {
namespace {

constexpr double kHalfLogTwoPi = 0.91893853320467274178;

std::vector<Tensor> loc_and_scale(const char* name, const ParameterArg& loc,
                                  const ParameterArg& scale) {
  std::vector<Tensor> out = broadcast_parameters(name, {{"loc", loc}, {"scale", scale}});
  check_real(name, "loc", out[0]);
  check_positive(name, "scale", out[1]);
  return out;
}

}  // namespace

// ------------------------------------------------------------------------------------------ Normal

Normal::Normal(const char* name, const ParameterArg& loc, const ParameterArg& scale)
    : Reparameterized(name) {
  std::vector<Tensor> both = loc_and_scale(name, loc, scale);
  set_shapes(both[0].shape());
  loc_ = both[0];
  scale_ = both[1];
}
Normal::Normal(ParameterArg loc, ParameterArg scale) : Normal("Normal", loc, scale) {}

Tensor Normal::draw(const Dims& shape) const {
  return loc_ + scale_ * standard_normal(shape, loc_);
}
Tensor Normal::log_density(const Tensor& value) const {
  Tensor z = (value - loc_) / scale_;
  return -0.5 * square(z) - log(scale_) - kHalfLogTwoPi;
}
Tensor Normal::own_entropy() const { return log(scale_) + (0.5 + kHalfLogTwoPi); }
Tensor Normal::own_variance() const { return square(scale_); }
void Normal::check_value(const Tensor& value) const {
  check_all(logical_not(isnan(value)), value, "real numbers");
}

// --------------------------------------------------------------------------------------- LogNormal

LogNormal::LogNormal(ParameterArg loc, ParameterArg scale)
    : Reparameterized("LogNormal"), base_("LogNormal", loc, scale) {
  set_shapes(base_.batch_shape());
}

Tensor LogNormal::draw(const Dims& shape) const { return exp(base_.draw(shape)); }
Tensor LogNormal::log_density(const Tensor& value) const {
  Tensor y = log(value);
  return base_.log_density(y) - y;
}
Tensor LogNormal::own_entropy() const { return base_.own_entropy() + loc(); }
Tensor LogNormal::own_mean() const { return exp(loc() + 0.5 * square(scale())); }
// (exp(s^2) - 1) exp(2 loc + s^2)
Tensor LogNormal::own_variance() const {
  Tensor s = square(scale());
  return expm1(s) * exp(2 * loc() + s);
}
void LogNormal::check_value(const Tensor& value) const {
  check_all(gt(value, 0), value, "numbers above 0");
}

// ----------------------------------------------------------------------------------------- Laplace

Laplace::Laplace(ParameterArg loc, ParameterArg scale) : Reparameterized("Laplace") {
  std::vector<Tensor> both = loc_and_scale("Laplace", loc, scale);
  set_shapes(both[0].shape());
  loc_ = both[0];
  scale_ = both[1];
}

// The difference of two waiting times is such a number.
Tensor Laplace::draw(const Dims& shape) const {
  Tensor above = standard_exponential(shape, loc_);
  return loc_ + scale_ * (above - standard_exponential(shape, loc_));
}
Tensor Laplace::log_density(const Tensor& value) const {
  return -log(2 * scale_) - abs(value - loc_) / scale_;
}
Tensor Laplace::own_entropy() const { return 1 + log(2 * scale_); }
Tensor Laplace::own_variance() const { return 2 * square(scale_); }
Tensor Laplace::own_stddev() const { return std::numbers::sqrt2 * scale_; }
void Laplace::check_value(const Tensor& value) const {
  check_all(logical_not(isnan(value)), value, "real numbers");
}

// ---------------------------------------------------------------------------------------- StudentT

StudentT::StudentT(ParameterArg df, ParameterArg loc, ParameterArg scale)
    : Reparameterized("StudentT") {
  std::vector<Tensor> all =
      broadcast_parameters(name(), {{"df", df}, {"loc", loc}, {"scale", scale}});
  check_positive(name(), "df", all[0]);
  check_real(name(), "loc", all[1]);
  check_positive(name(), "scale", all[2]);
  set_shapes(all[0].shape());
  df_ = all[0];
  loc_ = all[1];
  scale_ = all[2];
}

// z / sqrt(c / df) for a normal z and a c of chi-squared: twice a gamma number of df / 2.
Tensor StudentT::draw(const Dims& shape) const {
  Tensor z = standard_normal(shape, loc_);
  Tensor half = expand(0.5 * df_, shape);
  return loc_ + scale_ * (z * rsqrt(standard_gamma(half) / half));
}
Tensor StudentT::log_density(const Tensor& value) const {
  Tensor y = (value - loc_) / scale_;
  Tensor half = 0.5 * (df_ + 1);
  Tensor normalizer = log(scale_) + 0.5 * log(df_) + 0.5 * std::log(std::numbers::pi) +
                      lgamma(0.5 * df_) - lgamma(half);
  return -half * log1p(square(y) / df_) - normalizer;
}
Tensor StudentT::own_entropy() const {
  Tensor half = 0.5 * (df_ + 1);
  Tensor norm = lgamma(0.5 * df_) + 0.5 * std::log(std::numbers::pi) - lgamma(half);
  return log(scale_) + half * (digamma(half) - digamma(0.5 * df_)) + 0.5 * log(df_) + norm;
}
Tensor StudentT::own_mean() const { return where(le(df_, 1), NAN, loc_); }
// scale^2 df / (df - 2)
Tensor StudentT::own_variance() const {
  Tensor wide = gt(df_, 2);
  Tensor df = where(wide, df_, 4);
  Tensor finite = where(isinf(df), square(scale_), square(scale_) * df / (df - 2));
  return where(wide, finite, where(gt(df_, 1), HUGE_VAL, full_like(df_, NAN)));
}
void StudentT::check_value(const Tensor& value) const {
  check_all(logical_not(isnan(value)), value, "real numbers");
}

// ----------------------------------------------------------------------------------------- Uniform

Uniform::Uniform(ParameterArg low, ParameterArg high) : Reparameterized("Uniform") {
  std::vector<Tensor> both = broadcast_parameters(name(), {{"low", low}, {"high", high}});
  check_real(name(), "low", both[0]);
  {
    const NoGrad constant;
    const Composed scope;
    check_parameter(name(), gt(both[1], both[0]), both[1], "a high above low");
  }
  set_shapes(both[0].shape());
  low_ = both[0];
  high_ = both[1];
}

Tensor Uniform::draw(const Dims& shape) const {
  return low_ + (high_ - low_) * standard_uniform(shape, low_);
}
Tensor Uniform::log_density(const Tensor& value) const {
  Tensor inside = logical_and(ge(value, low_), lt(value, high_));
  Tensor width = high_ - low_;
  return where(inside, full_like(value - low_, 0), -HUGE_VAL) - log(width);
}
Tensor Uniform::own_entropy() const { return log(high_ - low_); }
Tensor Uniform::own_mean() const { return 0.5 * (low_ + high_); }
Tensor Uniform::own_variance() const { return square(high_ - low_) / 12; }
Tensor Uniform::own_stddev() const { return (high_ - low_) / std::sqrt(12.0); }
void Uniform::check_value(const Tensor& value) const {
  const NoGrad constant;
  check_all(logical_and(ge(value, low_), le(value, high_)), value, "numbers from low to high");
}

}  // namespace tessera::distributions
