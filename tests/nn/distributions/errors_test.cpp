// What distributions refuse, in which words and naming which place.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autograd/ops.h"
#include "nn/distributions.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::distributions {
namespace {

using test::contains;
using test::error_of;
using test::error_with_place;

Tensor numbers(const std::vector<double>& values) {
  return Array::from(values, {static_cast<int64_t>(values.size())});
}

struct Refused {
  std::function<void()> call;
  const char* message;
};

void expect_messages(const std::vector<Refused>& all) {
  for (const Refused& refused : all) EXPECT_EQ(error_of(refused.call), refused.message);
}

TEST(DistributionErrors, NameTheParameter) {
  Tensor integers = Array::full({2}, 1, DType::i64);
  Tensor crooked = Array::from<double>({1, 0.5, 0, 1}, {2, 2});
  expect_messages({
      {[] {
         Normal(0, numbers({1, -2, 3}));
       },
       "[Normal] expected a scale above 0, got -2 at 1 of (3,)"},
      {[] { Normal(NAN, 1); }, "[Normal] expected a number as loc, got nan at 0 of ()"},
      {[&] { Normal(integers, 1); }, "[Normal] expected a loc of a floating dtype, got i64"},
      {[] { LogNormal(0, 0); }, "[LogNormal] expected a scale above 0, got 0 at 0 of ()"},
      {[] { Laplace(0, NAN); }, "[Laplace] expected a scale above 0, got nan at 0 of ()"},
      {[] { StudentT(-1); }, "[StudentT] expected a df above 0, got -1 at 0 of ()"},
      {[] {
         Uniform(1, numbers({2, 1}));
       },
       "[Uniform] expected a high above low, got 1 at 1 of (2,)"},
      {[] { Exponential(0); }, "[Exponential] expected a rate above 0, got 0 at 0 of ()"},
      {[] { Gamma(0, 1); }, "[Gamma] expected a concentration above 0, got 0 at 0 of ()"},
      {[] { Gamma(1, -1); }, "[Gamma] expected a rate above 0, got -1 at 0 of ()"},
      {[] { Beta(1, -1); }, "[Beta] expected a b above 0, got -1 at 0 of ()"},
      {[] { Dirichlet(1); },
       "[Dirichlet] expected a concentration (..., K) with K of at least 1, got ()"},
      {[] { Bernoulli(1.5); }, "[Bernoulli] expected probs in [0, 1], got 1.5 at 0 of ()"},
      {[] { Bernoulli::from_logits(NAN); },
       "[Bernoulli] expected a number as logits, got nan at 0 of ()"},
      {[] {
         Categorical(numbers({0.5, -1}));
       },
       "[Categorical] expected finite probs of at least 0, got -1 at 1 of (2,)"},
      {[] {
         Categorical(numbers({0, 0}));
       },
       "[Categorical] expected probs with a sum above 0, got 0 at 0 of ()"},
      {[] { Categorical::from_logits(1); },
       "[Categorical] expected probs or logits (..., K) with K of at least 1, got ()"},
      {[] { Binomial(2.5, 0.5); },
       "[Binomial] expected a total_count that is a whole number of at least 0, got 2.5 at 0 of "
       "()"},
      {[] { Geometric(0); }, "[Geometric] expected a probability above 0, got 0 at 0 of ()"},
      {[] { Poisson(-1); }, "[Poisson] expected a finite rate of at least 0, got -1 at 0 of ()"},
      {[] {
         Gamma(numbers({1, 2}), numbers({1, 2, 3}));
       },
       "[Gamma] shapes (2,) and (3,) do not broadcast"},
      {[] { MultivariateNormal(1, numbers({1})); },
       "[MultivariateNormal] expected tensors as loc and covariance_matrix, got a number"},
      {[] {
         MultivariateNormal(numbers({1, 2, 3}), eye(2, {}, DType::f64));
       },
       "[MultivariateNormal] expected a covariance_matrix (..., 3, 3) beside loc (3,), got (2, 2)"},
      {[&] {
         MultivariateNormal(numbers({1, 2}), crooked);
       },
       "[MultivariateNormal] expected a symmetric covariance_matrix, got 0.5 at 1 of (2, 2)"},
      {[&] {
         MultivariateNormal::from_scale_tril(numbers({1, 2}), crooked);
       },
       "[MultivariateNormal] expected a lower triangular scale_tril, got 0.5 at 1 of (2, 2)"},
      {[] {
         MultivariateNormal::from_scale_tril(numbers({1, 2}), zeros({2, 2}, DType::f64));
       },
       "[MultivariateNormal] expected a scale_tril with a diagonal above 0, got 0 at 0 of (2,)"},
      {[] {
         Independent(Normal(0, numbers({1, 2})), 2);
       },
       "[Independent] expected between 0 and 1 dims of the batch (2,) as an event, got 2"},
  });
  EXPECT_TRUE(contains(error_of([] {
                         MultivariateNormal(numbers({1, 2}), -eye(2, {}, DType::f64));
                       }),
                       "positive definite"));
}

TEST(DistributionErrors, NameWhatAValueMustBe) {
  expect_messages({
      {[] {
         Normal(0, 1).log_prob(numbers({1, NAN}));
       },
       "[Normal] expected real numbers, got nan at 1 of (2,)"},
      {[] { LogNormal(0, 1).log_prob(numbers({0})); },
       "[LogNormal] expected numbers above 0, got 0 at 0 of (1,)"},
      {[] {
         Uniform(numbers({0, 1}), 2).log_prob(numbers({0.5}));
       },
       "[Uniform] expected numbers from low to high, got 0.5 at 1 of (2,)"},
      {[] { Exponential(1).log_prob(numbers({-1})); },
       "[Exponential] expected numbers of at least 0, got -1 at 0 of (1,)"},
      {[] { Beta(1, 1).log_prob(numbers({1.5})); },
       "[Beta] expected numbers in [0, 1], got 1.5 at 0 of (1,)"},
      {[] {
         Dirichlet(numbers({1, 1})).log_prob(numbers({0.5, 0.6}));
       },
       "[Dirichlet] expected shares that add up to 1, got 1.1 at 0 of ()"},
      {[] {
         Dirichlet(numbers({1, 1})).log_prob(numbers({1}));
       },
       "[Dirichlet] expected a value whose shape ends in that of an event, (2,), got (1,)"},
      {[] { Bernoulli(0.5).log_prob(numbers({0.5})); },
       "[Bernoulli] expected zeros and ones, got 0.5 at 0 of (1,)"},
      {[] {
         Categorical(numbers({1, 1})).log_prob(Array::full({}, 2, DType::i64));
       },
       "[Categorical] expected integers in [0, 2), got 2 at 0 of ()"},
      {[] { Binomial(3, 0.5).log_prob(numbers({4})); },
       "[Binomial] expected integers from 0 to total_count, got 4 at 0 of (1,)"},
      {[] { Poisson(1).log_prob(numbers({0.5})); },
       "[Poisson] expected integers of at least 0, got 0.5 at 0 of (1,)"},
      {[] {
         Normal(numbers({1, 2}), 1).log_prob(numbers({1, 2, 3}));
       },
       "[Normal] shapes (3,) and (2,) do not broadcast"},
      {[] { Normal(0, 1).log_prob(Tensor()); },
       "[Normal] expected a value, got an undefined tensor"},
      {[] { Poisson(1).entropy(); }, "[Poisson] has no entropy in closed form"},
      {[] {
         kl_divergence(Normal(numbers({1, 2}), 1), Normal(numbers({1, 2, 3}), 1));
       },
       "[kl_divergence] shapes (2,) and (3,) do not broadcast"},
      {[] { kl_divergence(Binomial(2, 0.5), Binomial(3, 0.5)); },
       "[kl_divergence] expected a Binomial of at least the other's total_count, got 2 at 0 of ()"},
      {[] {
         kl_divergence(Dirichlet(numbers({1, 1})), Dirichlet(numbers({1, 1, 1})));
       },
       "[kl_divergence] expected events of one shape, got (2,) and (3,)"},
      {[] {
         Independent p(Normal(numbers({1}), 1), 1);
         kl_divergence(p, Independent(Normal(numbers({1}), 1), 0));
       },
       "[kl_divergence] expected two Independents with as many dims of an event, got 1 and 0"},
      {[] {
         standard_gamma(numbers({1, 0}));
       },
       "[standard_gamma] expected finite concentrations above 0, got something else at 1 of (2,)"},
      {[] { poisson(numbers({-1})); },
       "[poisson] expected finite rates of at least 0, got something else at 0 of (1,)"},
      {[] { binomial(numbers({1}), numbers({2})); },
       "[binomial] expected probabilities in [0, 1], got something else at 0 of (1,)"},
  });
}

TEST(DistributionErrors, NameTheLineOfTheCaller) {
  auto expect_here = [](const std::string& message, int line) {
    EXPECT_TRUE(contains(message, fmt::format("distributions/errors_test.cpp:{}", line)));
  };
  expect_here(error_with_place([] { Normal(0, -1); }), __LINE__);
  expect_here(error_with_place([] { MultivariateNormal(numbers({1}), numbers({1})); }), __LINE__);
  expect_here(error_with_place([] { StudentT(-1); }), __LINE__);
  Beta shares(1, 1);
  expect_here(error_with_place([&] { shares.log_prob(numbers({2})); }), __LINE__);
  expect_here(error_with_place([] { Poisson(1).entropy(); }), __LINE__);
  Binomial two(2, 0.5);
  Binomial three(3, 0.5);
  expect_here(error_with_place([&] { kl_divergence(two, three); }), __LINE__);
  // Not that of a call before.
  Tensor x = numbers({1}) + numbers({2});
  expect_here(error_with_place([&] { Independent(shares, 3); }), __LINE__);
}

// What there is none of does not compile.
template <class D>
concept CanRsample = requires(const D& d) {
  d.rsample();
};
template <class P, class Q>
concept CanDiverge = requires(const P& p, const Q& q) {
  kl_divergence(p, q);
};
static_assert(CanRsample<Normal> && CanRsample<Independent<Gamma>>);
static_assert(!CanRsample<Bernoulli> && !CanRsample<Independent<Categorical>>);
static_assert(CanDiverge<Normal, Laplace> && CanDiverge<Gamma, Beta>);
static_assert(!CanDiverge<Normal, Poisson> && !CanDiverge<LogNormal, Normal>);

}  // namespace
}  // namespace tessera::distributions
