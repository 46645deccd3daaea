#include "nn/distributions/kl.h"

#include <cmath>
#include <numbers>

#include "autograd/ops/creation.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/solve.h"
#include "autograd/ops/special.h"

namespace tessera::distributions {
namespace {

constexpr double kLogTwoPiHalved = 0.91893853320467274178;
constexpr double kEuler = std::numbers::egamma;

// A call of kl_divergence: its place, and whether the batches fit.
struct KlCall {
  KlCall(const Distribution& p, const Distribution& q, CallSite site) : noted(site) {
    broadcast_shapes(p.batch_shape(), q.batch_shape(), "kl_divergence");
    TESSERA_CHECK(p.event_shape() == q.event_shape(),
                  "[kl_divergence] expected events of one shape, got {} and {}", p.event_shape(),
                  q.event_shape());
  }
  NotedCall noted;
  Composed composed;
};

// What is left of -(mean of log q) is linear in moments of p.

// Of a q that is normal: moments are the mean and the variance.
Tensor against_normal(const Normal& q, const Tensor& mean, const Tensor& variance) {
  Tensor off = (mean - q.loc()) / q.scale();
  return log(q.scale()) + kLogTwoPiHalved + 0.5 * (variance / square(q.scale()) + square(off));
}
// Of a gamma q: the mean, and that of the logarithm.
Tensor against_gamma(const Gamma& q, const Tensor& mean, const Tensor& mean_log) {
  const Tensor& c = q.concentration();
  return lgamma(c) - c * log(q.rate()) - (c - 1) * mean_log + q.rate() * mean;
}
Tensor against_exponential(const Exponential& q, const Tensor& mean) {
  return q.rate() * mean - log(q.rate());
}

Tensor infinite_where(const Tensor& outside, const Tensor& kl) {
  return where(outside, HUGE_VAL, kl);
}

// The integral of log x from low to high, divided by high - low.
Tensor mean_of_log(const Tensor& low, const Tensor& high) {
  return (xlogy(high, high) - xlogy(low, low)) / (high - low) - 1;
}

// Of one trial, whose outcomes have two probabilities each. What p never draws adds nothing.
template <class P, class Q>
Tensor divergence_of_a_trial(const P& p, const Q& q) {
  Tensor yes = p.probs();
  Tensor no = 1 - yes;
  Tensor p_logits = p.logits();
  Tensor q_logits = q.logits();
  Tensor of_yes = yes * (logsigmoid(p_logits) - logsigmoid(q_logits));
  Tensor of_no = no * (logsigmoid(-p_logits) - logsigmoid(-q_logits));
  of_yes = where(eq(yes, 0), 0, infinite_where(eq(q.probs(), 0), of_yes));
  of_no = where(eq(no, 0), 0, infinite_where(eq(q.probs(), 1), of_no));
  return of_yes + of_no;
}

Tensor mean_log_of(const Beta& p) { return digamma(p.a()) - digamma(p.a() + p.b()); }

}  // namespace

Tensor infinite_divergence(const Distribution& p, const Distribution& q, const Tensor& like,
                           CallSite site) {
  const KlCall call(p, q, site);
  Dims shape = broadcast_shapes(p.batch_shape(), q.batch_shape(), "kl_divergence");
  return full(shape, HUGE_VAL, like.dtype(), like.device());
}

// -------------------------------------------------------------------------- of two of the same
// kind

Tensor kl_divergence(const Normal& p, const Normal& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor ratio = square(p.scale() / q.scale());
  Tensor off = square((p.loc() - q.loc()) / q.scale());
  return 0.5 * (ratio + off - 1 - log(ratio));
}
Tensor kl_divergence(const LogNormal& p, const LogNormal& q, CallSite site) {
  return kl_divergence(p.base(), q.base(), site);
}

// log(q.scale / p.scale) + (|d| + p.scale exp(-|d| / p.scale)) / q.scale - 1
Tensor kl_divergence(const Laplace& p, const Laplace& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor ratio = p.scale() / q.scale();
  Tensor distance = abs(p.loc() - q.loc());
  return ratio * exp(-distance / p.scale()) + distance / q.scale() - log(ratio) - 1;
}

Tensor kl_divergence(const Uniform& p, const Uniform& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor kl = log((q.high() - q.low()) / (p.high() - p.low()));
  return infinite_where(logical_or(gt(q.low(), p.low()), lt(q.high(), p.high())), kl);
}

Tensor kl_divergence(const Exponential& p, const Exponential& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor ratio = q.rate() / p.rate();
  return ratio - log(ratio) - 1;
}

Tensor kl_divergence(const Gamma& p, const Gamma& q, CallSite site) {
  const KlCall call(p, q, site);
  const Tensor& a = p.concentration();
  const Tensor& b = q.concentration();
  Tensor ratio = q.rate() / p.rate();
  return lgamma(b) - lgamma(a) + (a - b) * digamma(a) - b * log(ratio) + a * (ratio - 1);
}

Tensor kl_divergence(const Beta& p, const Beta& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor p_total = p.a() + p.b();
  Tensor q_total = q.a() + q.b();
  return log_beta(q.a(), q.b()) - log_beta(p.a(), p.b()) + (p.a() - q.a()) * digamma(p.a()) +
         (p.b() - q.b()) * digamma(p.b()) + (q_total - p_total) * digamma(p_total);
}

Tensor kl_divergence(const Dirichlet& p, const Dirichlet& q, CallSite site) {
  const KlCall call(p, q, site);
  const Tensor& a = p.concentration();
  const Tensor& b = q.concentration();
  Tensor total = sum(a, -1);
  Tensor norms = lgamma(total) - lgamma(sum(b, -1)) + sum(lgamma(b) - lgamma(a), -1);
  return norms + sum((a - b) * (digamma(a) - unsqueeze(digamma(total), -1)), -1);
}

// With the factors l of p and m of q: (|m^-1 l|^2 + |m^-1 (p.loc - q.loc)|^2 - D) / 2 and the
// difference of the logarithms of determinants.
Tensor kl_divergence(const MultivariateNormal& p, const MultivariateNormal& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor spread = solve_triangular(q.scale_tril(), p.scale_tril(), false);
  Tensor off = solve_triangular(q.scale_tril(), unsqueeze(p.loc() - q.loc(), -1), false);
  Tensor distance = sum(square(spread), {-2, -1}) + sum(square(off), {-2, -1});
  auto d = static_cast<double>(p.loc().size(-1));
  return 0.5 * (distance - d) + half_log_det(q.scale_tril()) - half_log_det(p.scale_tril());
}

Tensor kl_divergence(const Bernoulli& p, const Bernoulli& q, CallSite site) {
  const KlCall call(p, q, site);
  return divergence_of_a_trial(p, q);
}

Tensor kl_divergence(const Categorical& p, const Categorical& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor terms = p.probs() * (p.logits() - q.logits());
  terms = where(eq(p.probs(), 0), 0, infinite_where(eq(q.probs(), 0), terms));
  return sum(terms, -1);
}

Tensor kl_divergence(const Binomial& p, const Binomial& q, CallSite site) {
  const KlCall call(p, q, site);
  {
    const NoGrad constant;
    Tensor fits = ge(p.total_count(), q.total_count());
    check_parameter("kl_divergence", fits, p.total_count(),
                    "a Binomial of at least the other's total_count");
  }
  Tensor kl = p.total_count() * divergence_of_a_trial(p, q);
  return infinite_where(gt(p.total_count(), q.total_count()), kl);
}

// A trial counts where all before it failed: there are 1 / p of them.
Tensor kl_divergence(const Geometric& p, const Geometric& q, CallSite site) {
  const KlCall call(p, q, site);
  return divergence_of_a_trial(p, q) / p.probs();
}

Tensor kl_divergence(const Poisson& p, const Poisson& q, CallSite site) {
  const KlCall call(p, q, site);
  return xlogy(p.rate(), p.rate() / q.rate()) - (p.rate() - q.rate());
}

// ------------------------------------------------------------------------------------ of two kinds

// The mean of |x - q.loc| is that of a folded normal number.
Tensor kl_divergence(const Normal& p, const Laplace& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor off = p.loc() - q.loc();
  Tensor ratio = off / p.scale();
  Tensor folded = p.scale() * std::sqrt(2 / std::numbers::pi) * exp(-0.5 * square(ratio)) +
                  off * erf(ratio * std::numbers::sqrt2 / 2);
  return log(2 * q.scale()) + folded / q.scale() - p.entropy();
}

Tensor kl_divergence(const Laplace& p, const Normal& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_normal(q, p.loc(), p.variance()) - p.entropy();
}
Tensor kl_divergence(const Uniform& p, const Normal& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_normal(q, p.mean(), p.variance()) - p.entropy();
}
Tensor kl_divergence(const Uniform& p, const Exponential& q, CallSite site) {
  const KlCall call(p, q, site);
  return infinite_where(lt(p.low(), 0), against_exponential(q, p.mean()) - p.entropy());
}
Tensor kl_divergence(const Uniform& p, const Gamma& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor kl = against_gamma(q, p.mean(), mean_of_log(p.low(), p.high())) - p.entropy();
  return infinite_where(lt(p.low(), 0), kl);
}
Tensor kl_divergence(const Uniform& p, const Beta& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor of_x = (q.a() - 1) * mean_of_log(p.low(), p.high());
  Tensor of_rest = (q.b() - 1) * mean_of_log(1 - p.high(), 1 - p.low());
  Tensor kl = log_beta(q.a(), q.b()) - of_x - of_rest - p.entropy();
  return infinite_where(logical_or(gt(p.high(), 1), lt(p.low(), 0)), kl);
}

Tensor kl_divergence(const Exponential& p, const Normal& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_normal(q, p.mean(), p.variance()) - p.entropy();
}
Tensor kl_divergence(const Exponential& p, const Gamma& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_gamma(q, p.mean(), -kEuler - log(p.rate())) - p.entropy();
}

Tensor kl_divergence(const Gamma& p, const Normal& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_normal(q, p.mean(), p.variance()) - p.entropy();
}
Tensor kl_divergence(const Gamma& p, const Exponential& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_exponential(q, p.mean()) - p.entropy();
}

Tensor kl_divergence(const Beta& p, const Normal& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_normal(q, p.mean(), p.variance()) - p.entropy();
}
Tensor kl_divergence(const Beta& p, const Exponential& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_exponential(q, p.mean()) - p.entropy();
}
Tensor kl_divergence(const Beta& p, const Gamma& q, CallSite site) {
  const KlCall call(p, q, site);
  return against_gamma(q, p.mean(), mean_log_of(p)) - p.entropy();
}
Tensor kl_divergence(const Beta& p, const Uniform& q, CallSite site) {
  const KlCall call(p, q, site);
  Tensor kl = log(q.high() - q.low()) - p.entropy();
  return infinite_where(logical_or(gt(q.low(), 0), lt(q.high(), 1)), kl);
}

Tensor kl_divergence(const Bernoulli& p, const Poisson& q, CallSite site) {
  const KlCall call(p, q, site);
  return q.rate() - xlogy(p.probs(), q.rate()) - p.entropy();
}

}  // namespace tessera::distributions
