#include "nn/distributions/gamma.h"

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/sampling.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/special.h"

namespace tessera::distributions {
namespace {

Dims without_last(const Dims& shape) { return Dims(std::span(shape.data(), shape.size() - 1)); }

}  // namespace

// ------------------------------------------------------------------------------------- Exponential

Exponential::Exponential(ParameterArg rate) : Reparameterized("Exponential") {
  rate_ = single_parameter(name(), {"rate", rate});
  check_positive(name(), "rate", rate_);
  set_shapes(rate_.shape());
}

Tensor Exponential::draw(const Dims& shape) const {
  return standard_exponential(shape, rate_) / rate_;
}
Tensor Exponential::log_density(const Tensor& value) const { return log(rate_) - rate_ * value; }
Tensor Exponential::own_entropy() const { return 1 - log(rate_); }
Tensor Exponential::own_mean() const { return reciprocal(rate_); }
Tensor Exponential::own_variance() const { return square(reciprocal(rate_)); }
void Exponential::check_value(const Tensor& value) const {
  check_all(ge(value, 0), value, "numbers of at least 0");
}

// ------------------------------------------------------------------------------------------- Gamma

Gamma::Gamma(ParameterArg concentration, ParameterArg rate) : Reparameterized("Gamma") {
  std::vector<Tensor> both =
      broadcast_parameters(name(), {{"concentration", concentration}, {"rate", rate}});
  check_positive(name(), "concentration", both[0]);
  check_positive(name(), "rate", both[1]);
  set_shapes(both[0].shape());
  concentration_ = both[0];
  rate_ = both[1];
}

Tensor Gamma::draw(const Dims& shape) const {
  return standard_gamma(expand(concentration_, shape)) / rate_;
}
Tensor Gamma::log_density(const Tensor& value) const {
  const Tensor& c = concentration_;
  return c * log(rate_) + xlogy(c - 1, value) - rate_ * value - lgamma(c);
}
Tensor Gamma::own_entropy() const {
  const Tensor& c = concentration_;
  return c - log(rate_) + lgamma(c) + (1 - c) * digamma(c);
}
Tensor Gamma::own_mean() const { return concentration_ / rate_; }
Tensor Gamma::own_variance() const { return concentration_ / square(rate_); }
void Gamma::check_value(const Tensor& value) const {
  check_all(ge(value, 0), value, "numbers of at least 0");
}

// -------------------------------------------------------------------------------------------- Beta

Beta::Beta(ParameterArg a, ParameterArg b) : Reparameterized("Beta") {
  std::vector<Tensor> both = broadcast_parameters(name(), {{"a", a}, {"b", b}});
  check_positive(name(), "a", both[0]);
  check_positive(name(), "b", both[1]);
  set_shapes(both[0].shape());
  a_ = both[0];
  b_ = both[1];
}

Tensor Beta::draw(const Dims& shape) const {
  return select(dirichlet(stack({expand(a_, shape), expand(b_, shape)}, -1)), -1, 0);
}
Tensor Beta::log_density(const Tensor& value) const {
  return xlogy(a_ - 1, value) + xlogy(b_ - 1, 1 - value) - log_beta(a_, b_);
}
Tensor Beta::own_entropy() const {
  Tensor total = a_ + b_;
  return log_beta(a_, b_) - (a_ - 1) * digamma(a_) - (b_ - 1) * digamma(b_) +
         (total - 2) * digamma(total);
}
Tensor Beta::own_mean() const { return a_ / (a_ + b_); }
Tensor Beta::own_variance() const {
  Tensor total = a_ + b_;
  return a_ * b_ / (square(total) * (total + 1));
}
void Beta::check_value(const Tensor& value) const {
  check_all(logical_and(ge(value, 0), le(value, 1)), value, "numbers in [0, 1]");
}

// --------------------------------------------------------------------------------------- Dirichlet

Dirichlet::Dirichlet(ParameterArg concentration) : Reparameterized("Dirichlet") {
  concentration_ = single_parameter(name(), {"concentration", concentration});
  const Dims& shape = concentration_.shape();
  TESSERA_CHECK(!shape.empty() && shape.back() >= 1,
                "[Dirichlet] expected a concentration (..., K) with K of at least 1, got {}",
                shape);
  check_positive(name(), "concentration", concentration_);
  set_shapes(without_last(shape), {shape.back()});
}

Tensor Dirichlet::draw(const Dims& shape) const { return dirichlet(expand(concentration_, shape)); }
Tensor Dirichlet::log_density(const Tensor& value) const {
  const Tensor& c = concentration_;
  return sum(xlogy(c - 1, value), -1) + lgamma(sum(c, -1)) - sum(lgamma(c), -1);
}
Tensor Dirichlet::own_entropy() const {
  const Tensor& c = concentration_;
  Tensor total = sum(c, -1);
  auto k = static_cast<double>(c.size(-1));
  return sum(lgamma(c), -1) - lgamma(total) + (total - k) * digamma(total) -
         sum((c - 1) * digamma(c), -1);
}
Tensor Dirichlet::own_mean() const { return concentration_ / sum(concentration_, -1, true); }
Tensor Dirichlet::own_variance() const {
  const Tensor& c = concentration_;
  Tensor total = sum(c, -1, true);
  return c * (total - c) / (square(total) * (total + 1));
}
void Dirichlet::check_value(const Tensor& value) const {
  const NoGrad constant;
  check_all(ge(value, 0), value, "shares of at least 0");
  Tensor sums = sum(value, -1);
  check_all(le(abs(sums - 1), 1e-6), sums, "shares that add up to 1");
}

}  // namespace tessera::distributions
