// kl_divergence(p, q): the mean, over what p draws, of log p - log q. For the pairs of classes that
// torch.distributions has; another pair does not compile.
#pragma once

#include <concepts>

#include "core/error.h"
#include "nn/distributions/discrete.h"
#include "nn/distributions/gamma.h"
#include "nn/distributions/independent.h"
#include "nn/distributions/location_scale.h"
#include "nn/distributions/multivariate_normal.h"

namespace tessera::distributions {

// Of the shape that the batches of p and q broadcast to; an error where they do not. Infinite where
// p draws values that q does not have.
Tensor kl_divergence(const Normal& p, const Normal& q, CallSite site = {});
Tensor kl_divergence(const LogNormal& p, const LogNormal& q, CallSite site = {});
Tensor kl_divergence(const Laplace& p, const Laplace& q, CallSite site = {});
Tensor kl_divergence(const Uniform& p, const Uniform& q, CallSite site = {});
Tensor kl_divergence(const Exponential& p, const Exponential& q, CallSite site = {});
Tensor kl_divergence(const Gamma& p, const Gamma& q, CallSite site = {});
Tensor kl_divergence(const Beta& p, const Beta& q, CallSite site = {});
Tensor kl_divergence(const Dirichlet& p, const Dirichlet& q, CallSite site = {});
Tensor kl_divergence(const MultivariateNormal& p, const MultivariateNormal& q, CallSite site = {});
Tensor kl_divergence(const Bernoulli& p, const Bernoulli& q, CallSite site = {});
Tensor kl_divergence(const Categorical& p, const Categorical& q, CallSite site = {});
// An error where p has fewer trials than q.
Tensor kl_divergence(const Binomial& p, const Binomial& q, CallSite site = {});
Tensor kl_divergence(const Geometric& p, const Geometric& q, CallSite site = {});
Tensor kl_divergence(const Poisson& p, const Poisson& q, CallSite site = {});

Tensor kl_divergence(const Normal& p, const Laplace& q, CallSite site = {});
Tensor kl_divergence(const Laplace& p, const Normal& q, CallSite site = {});
Tensor kl_divergence(const Uniform& p, const Normal& q, CallSite site = {});
Tensor kl_divergence(const Uniform& p, const Exponential& q, CallSite site = {});
Tensor kl_divergence(const Uniform& p, const Gamma& q, CallSite site = {});
Tensor kl_divergence(const Uniform& p, const Beta& q, CallSite site = {});
Tensor kl_divergence(const Exponential& p, const Normal& q, CallSite site = {});
Tensor kl_divergence(const Exponential& p, const Gamma& q, CallSite site = {});
Tensor kl_divergence(const Gamma& p, const Normal& q, CallSite site = {});
Tensor kl_divergence(const Gamma& p, const Exponential& q, CallSite site = {});
Tensor kl_divergence(const Beta& p, const Normal& q, CallSite site = {});
Tensor kl_divergence(const Beta& p, const Exponential& q, CallSite site = {});
Tensor kl_divergence(const Beta& p, const Gamma& q, CallSite site = {});
Tensor kl_divergence(const Beta& p, const Uniform& q, CallSite site = {});
Tensor kl_divergence(const Bernoulli& p, const Poisson& q, CallSite site = {});

// Infinity, of the batches' shape and p's dtype.
Tensor infinite_divergence(const Distribution& p, const Distribution& q, const Tensor& like,
                           CallSite site);

template <class D, class... Ds>
concept OneOf = (std::same_as<D, Ds> || ...);
template <class P, class Q>
concept ReachesOutside = (OneOf<P, Normal, Laplace> &&
                          OneOf<Q, Exponential, Gamma, Beta, Uniform>) ||
                         (OneOf<P, Exponential, Gamma> && OneOf<Q, Beta, Uniform>) ||
                         (OneOf<P, Poisson> && OneOf<Q, Bernoulli, Binomial>);

template <class P, class Q>
requires ReachesOutside<P, Q> Tensor kl_divergence(const P& p, const Q& q, CallSite site = {}) {
  return infinite_divergence(p, q, p.mean(site), site);
}

// Of as many dims of an event.
template <class P, class Q>
Tensor kl_divergence(const Independent<P>& p, const Independent<Q>& q, CallSite site = {}) {
  const NotedCall call(site);
  TESSERA_CHECK(p.num_event_dims() == q.num_event_dims(),
                "[kl_divergence] expected two Independents with as many dims of an event, got {} "
                "and {}",
                p.num_event_dims(), q.num_event_dims());
  return sum_last(kl_divergence(p.base(), q.base(), site), static_cast<size_t>(p.num_event_dims()));
}

}  // namespace tessera::distributions
