#include "nn/distributions/discrete.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops/creation.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/index.h"
#include "autograd/ops/random.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/sampling.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/special.h"

namespace tessera::distributions {
namespace {

Tensor whole(const Tensor& x) { return logical_and(eq(x, floor(x)), isfinite(x)); }

// v log sigmoid(l) + (n - v) log sigmoid(-l): the logarithm of v successes and n - v failures.
Tensor log_of_outcomes(const Tensor& v, const Tensor& others, const Tensor& logits) {
  return v * logsigmoid(logits) + others * logsigmoid(-logits);
}

}  // namespace

// ----------------------------------------------------------------------------------------- Chances

Chances Chances::of_probs(const char* distribution, const Tensor& probs) {
  check_probabilities(distribution, probs);
  Chances out;
  out.given_ = probs;
  return out;
}
Chances Chances::of_logits(const char* distribution, const Tensor& logits) {
  check_real(distribution, "logits", logits);
  Chances out;
  out.given_ = logits;
  out.are_logits_ = true;
  return out;
}
Tensor Chances::probs() const {
  const Composed scope;
  return are_logits_ ? sigmoid(given_) : given_;
}
Tensor Chances::logits() const {
  const Composed scope;
  return are_logits_ ? given_ : logits_of(given_);
}

// --------------------------------------------------------------------------------------- Bernoulli

Bernoulli::Bernoulli(Chances chances) : Distribution("Bernoulli"), chances_(std::move(chances)) {
  set_shapes(chances_.shape());
}
Bernoulli::Bernoulli(ParameterArg probs)
    : Bernoulli(Chances::of_probs("Bernoulli", single_parameter("Bernoulli", {"probs", probs}))) {}
Bernoulli Bernoulli::from_logits(ParameterArg logits) {
  return Bernoulli(
      Chances::of_logits("Bernoulli", single_parameter("Bernoulli", {"logits", logits})));
}

Tensor Bernoulli::draw(const Dims& shape) const {
  Tensor p = to(probs(), DType::f64);
  return to(lt(standard_uniform(shape, p), p), dtype());
}
Tensor Bernoulli::log_density(const Tensor& value) const {
  return log_of_outcomes(value, 1 - value, logits());
}
Tensor Bernoulli::own_entropy() const {
  Tensor p = probs();
  return -log_of_outcomes(p, 1 - p, logits());
}
Tensor Bernoulli::own_variance() const {
  Tensor p = probs();
  return p * (1 - p);
}
void Bernoulli::check_value(const Tensor& value) const {
  check_all(logical_or(eq(value, 0), eq(value, 1)), value, "zeros and ones");
}

// ------------------------------------------------------------------------------------- Categorical

namespace {

// The batch's shape; an error unless there are categories.
Dims check_categories(const Tensor& x) {
  const Dims& shape = x.shape();
  TESSERA_CHECK(!shape.empty() && shape.back() >= 1,
                "[Categorical] expected probs or logits (..., K) with K of at least 1, got {}",
                shape);
  return Dims(std::span(shape.data(), shape.size() - 1));
}

}  // namespace

Categorical::Categorical(Tensor probs, Tensor logits)
    : Distribution("Categorical", check_categories(probs)),
      probs_(std::move(probs)),
      logits_(std::move(logits)) {}

Categorical::Categorical(ParameterArg probs) : Distribution("Categorical") {
  Tensor weights = single_parameter(name(), {"probs", probs});
  set_shapes(check_categories(weights));
  const Composed scope;
  {
    const NoGrad constant;
    check_parameter(name(), logical_and(ge(weights, 0), isfinite(weights)), weights,
                    "finite probs of at least 0");
    Tensor sums = sum(weights, -1);
    check_parameter(name(), gt(sums, 0), sums, "probs with a sum above 0");
  }
  probs_ = weights / sum(weights, -1, true);
  logits_ = log(clamped_probs(probs_));
}

Categorical Categorical::from_logits(ParameterArg logits) {
  Tensor given = single_parameter("Categorical", {"logits", logits});
  check_categories(given);
  check_real("Categorical", "logits", given);
  const Composed scope;
  return {softmax(given, -1), log_softmax(given, -1)};
}

// All samples of a row are drawn together, on the host.
Tensor Categorical::draw(const Dims& shape) const {
  int64_t rows = num_elements(batch_shape());
  int64_t numbers = num_elements(shape);
  Device device = probs_.device();
  // Nobody knows the probabilities on meta.
  if (numbers == 0 || device.type == DeviceType::meta) return empty(shape, DType::i64, device);
  Tensor weights = reshape(probs_, {rows, num_categories()}).data().to(Device{});
  Tensor drawn = multinomial(weights, numbers / rows, true);
  return reshape(transpose(drawn, 0, 1), shape).data().to(device);
}
Tensor Categorical::log_density(const Tensor& value) const {
  Dims shape = broadcast_shapes(value.shape(), batch_shape(), name());
  Tensor index = unsqueeze(expand(to(value, DType::i64), shape), -1);
  Tensor table = expand(logits_, joined(shape, {num_categories()}));
  return squeeze(gather(table, -1, index), -1);
}
// -sum of p log p; a category without a chance gives 0.
Tensor Categorical::own_entropy() const {
  return -sum(probs_ * clamp(logits_, -1e4, std::nullopt), -1);
}
Tensor Categorical::own_mean() const {
  return full(batch_shape(), NAN, probs_.dtype(), probs_.device());
}
void Categorical::check_value(const Tensor& value) const {
  Tensor inside = logical_and(ge(value, 0), lt(value, num_categories()));
  check_all(logical_and(inside, eq(value, floor(value))), value,
            fmt::format("integers in [0, {})", num_categories()));
}

// ---------------------------------------------------------------------------------------- Binomial

namespace {

// total_count and probs or logits, of one shape.
std::vector<Tensor> trials_and(const char* parameter, const ParameterArg& total_count,
                               const ParameterArg& chances) {
  std::vector<Tensor> both =
      broadcast_parameters("Binomial", {{"total_count", total_count}, {parameter, chances}});
  const NoGrad constant;
  const Composed scope;
  const Tensor& n = both[0];
  check_parameter("Binomial", logical_and(ge(n, 0), whole(n)), n,
                  "a total_count that is a whole number of at least 0");
  return both;
}

}  // namespace

Binomial::Binomial(Tensor total_count, Chances chances)
    : Distribution("Binomial", total_count.shape()),
      total_count_(std::move(total_count)),
      chances_(std::move(chances)) {}
Binomial::Binomial(ParameterArg total_count, ParameterArg probs) : Distribution("Binomial") {
  std::vector<Tensor> both = trials_and("probs", total_count, probs);
  set_shapes(both[0].shape());
  total_count_ = both[0];
  chances_ = Chances::of_probs(name(), both[1]);
}
Binomial Binomial::from_logits(ParameterArg total_count, ParameterArg logits) {
  std::vector<Tensor> both = trials_and("logits", total_count, logits);
  return {both[0], Chances::of_logits("Binomial", both[1])};
}

Tensor Binomial::draw(const Dims& shape) const {
  return binomial(expand(total_count_, shape), expand(probs(), shape));
}
Tensor Binomial::log_density(const Tensor& value) const {
  Tensor others = total_count_ - value;
  Tensor ways = lgamma(total_count_ + 1) - lgamma(value + 1) - lgamma(others + 1);
  return ways + log_of_outcomes(value, others, logits());
}
// -sum of p log p over 0 to the largest count.
Tensor Binomial::own_entropy() const {
  const Tensor& n = total_count_;
  if (n.numel() == 0) return zeros(n.shape(), n.dtype(), n.device());
  auto most = max(n.detach()).item<int64_t>();
  Tensor k = arange(most + 1, n.dtype()).data().to(n.device());
  Tensor counts = reshape(k, joined({most + 1}, Dims(n.dim(), 1)));
  Tensor possible = le(counts, n.detach());
  Tensor log_p = log_density(where(possible, counts, 0));
  return -sum(where(possible, exp(log_p) * log_p, 0), 0);
}
Tensor Binomial::own_mean() const { return total_count_ * probs(); }
Tensor Binomial::own_variance() const {
  Tensor p = probs();
  return total_count_ * p * (1 - p);
}
void Binomial::check_value(const Tensor& value) const {
  const NoGrad constant;
  Tensor inside = logical_and(ge(value, 0), le(value, total_count_));
  check_all(logical_and(inside, whole(value)), value, "integers from 0 to total_count");
}

// --------------------------------------------------------------------------------------- Geometric

Geometric::Geometric(Chances chances) : Distribution("Geometric"), chances_(std::move(chances)) {
  set_shapes(chances_.shape());
}
Geometric::Geometric(ParameterArg probs)
    : Geometric(Chances::of_probs("Geometric", single_parameter("Geometric", {"probs", probs}))) {
  check_positive(name(), "probability", this->probs());
}
Geometric Geometric::from_logits(ParameterArg logits) {
  Geometric out(Chances::of_logits("Geometric", single_parameter("Geometric", {"logits", logits})));
  check_positive("Geometric", "probability", out.probs());
  return out;
}

// The whole part of a waiting time whose chance to pass 1 is 1 - p.
Tensor Geometric::draw(const Dims& shape) const {
  Tensor p = to(probs(), DType::f64);
  return to(floor(standard_exponential(shape, p) / -log1p(-p)), dtype());
}
// Where p is 1, 0 failures are certain.
Tensor Geometric::log_density(const Tensor& value) const {
  Tensor p = probs();
  Tensor certain = logical_and(eq(value, 0), eq(p.detach(), 1));
  return value * log1p(-where(certain, 0, p)) + log(p);
}
Tensor Geometric::own_entropy() const {
  Tensor p = probs();
  return -log_of_outcomes(p, 1 - p, logits()) / p;
}
Tensor Geometric::own_mean() const { return reciprocal(probs()) - 1; }
Tensor Geometric::own_variance() const {
  Tensor p = probs();
  return (reciprocal(p) - 1) / p;
}
void Geometric::check_value(const Tensor& value) const {
  check_all(logical_and(ge(value, 0), whole(value)), value, "integers of at least 0");
}

// ----------------------------------------------------------------------------------------- Poisson

Poisson::Poisson(ParameterArg rate) : Distribution("Poisson") {
  rate_ = single_parameter(name(), {"rate", rate});
  set_shapes(rate_.shape());
  const NoGrad constant;
  const Composed scope;
  check_parameter(name(), logical_and(ge(rate_, 0), isfinite(rate_)), rate_,
                  "a finite rate of at least 0");
}

Tensor Poisson::draw(const Dims& shape) const { return poisson(expand(rate_, shape)); }
Tensor Poisson::log_density(const Tensor& value) const {
  return xlogy(value, rate_) - rate_ - lgamma(value + 1);
}
Tensor Poisson::own_entropy() const { throw_error("[Poisson] has no entropy in closed form"); }
void Poisson::check_value(const Tensor& value) const {
  check_all(logical_and(ge(value, 0), whole(value)), value, "integers of at least 0");
}

}  // namespace tessera::distributions
