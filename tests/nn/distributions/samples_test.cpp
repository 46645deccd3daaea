// What distributions draw: against their distribution functions and probabilities, the same for any
// number of threads, and how samples move with the parameters.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <numbers>

#include "autograd/context.h"
#include "autograd/engine.h"
#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/kernels/random.h"
#include "nn/distributions.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera::distributions {
namespace {

using test::doubles;
using test::floats;
using test::kThreadCounts;
using test::same_bits;
using test::Values;

constexpr int64_t kSamples = 20000;

Tensor f64(double value) { return Array::full({}, value, DType::f64); }

// The largest distance between the share of samples up to x and cdf(x).
double kolmogorov_distance(Values samples, const std::function<double(double)>& cdf) {
  std::sort(samples.begin(), samples.end());
  auto n = static_cast<double>(samples.size());
  double worst = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    double at = cdf(samples[i]);
    auto below = static_cast<double>(i);
    worst = std::max({worst, std::abs(at - below / n), std::abs((below + 1) / n - at)});
  }
  return worst;
}

// Only one in a thousand seeds is off by more.
double kolmogorov_bound(size_t count) { return 1.95 / std::sqrt(static_cast<double>(count)); }

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }
// Of a whole concentration: 1 less the chance of fewer arrivals than that.
double gamma_cdf(int concentration, double x) {
  double term = std::exp(-x);
  double fewer = 0;
  for (int k = 0; k < concentration; ++k) {
    fewer += term;
    term *= x / (k + 1);
  }
  return 1 - fewer;
}
// Of 3 degrees of freedom.
double student_cdf(double t) {
  double u = t / std::sqrt(3.0);
  return 0.5 + (u / (1 + u * u) + std::atan(u)) / std::numbers::pi;
}
// Of a beta number whose concentrations are 1/2.
double arcsine_cdf(double x) { return 2 / std::numbers::pi * std::asin(std::sqrt(x)); }

struct Continuous {
  const char* name;
  std::shared_ptr<Distribution> distribution;
  std::function<double(double)> cdf;
};

std::vector<Continuous> continuous() {
  auto of = [](auto distribution) {
    return std::make_shared<decltype(distribution)>(std::move(distribution));
  };
  return {
      {"normal", of(Normal(f64(2), 3)), [](double x) { return normal_cdf((x - 2) / 3); }},
      {"normal.f32", of(Normal(-1, 0.5)), [](double x) { return normal_cdf((x + 1) / 0.5); }},
      {"log_normal", of(LogNormal(f64(0.5), 0.8)),
       [](double x) { return normal_cdf((std::log(x) - 0.5) / 0.8); }},
      {"laplace", of(Laplace(f64(1), 2)),
       [](double x) {
         double tail = 0.5 * std::exp(-std::abs(x - 1) / 2);
         return x < 1 ? tail : 1 - tail;
       }},
      {"student", of(StudentT(f64(3), 1, 2)), [](double x) { return student_cdf((x - 1) / 2); }},
      {"uniform", of(Uniform(f64(-2), 3)), [](double x) { return (x + 2) / 5; }},
      {"exponential", of(Exponential(f64(4))), [](double x) { return 1 - std::exp(-4 * x); }},
      {"gamma.half", of(Gamma(f64(0.5), 3)), [](double x) { return std::erf(std::sqrt(3 * x)); }},
      {"gamma.1", of(Gamma(f64(1), 2)), [](double x) { return gamma_cdf(1, 2 * x); }},
      {"gamma.3.f32", of(Gamma(3, 2)), [](double x) { return gamma_cdf(3, 2 * x); }},
      {"gamma.100", of(Gamma(f64(100), 1)), [](double x) { return gamma_cdf(100, x); }},
      {"beta.2.3", of(Beta(f64(2), 3)), [](double x) { return x * x * (6 - 8 * x + 3 * x * x); }},
      {"beta.half", of(Beta(f64(0.5), 0.5)), arcsine_cdf},
      {"beta.0.01.1", of(Beta(f64(0.01), 1)), [](double x) { return std::pow(x, 0.01); }},
      {"independent", of(Independent(Normal(f64(2), 3), 0)),
       [](double x) { return normal_cdf((x - 2) / 3); }},
  };
}

TEST(DistributionSamples, FollowTheirDistributionFunctions) {
  manual_seed(11);
  for (const Continuous& c : continuous()) {
    Values x = doubles(c.distribution->sample({kSamples}).data());
    double bound = kolmogorov_bound(x.size());
    EXPECT_LT(kolmogorov_distance(x, c.cdf), bound) << c.name;
    // Numbers of another scale are told apart.
    for (double& value : x) value *= 1.1;
    EXPECT_GT(kolmogorov_distance(x, [&](double y) { return std::clamp(c.cdf(y), 0.0, 1.0); }),
              std::string_view(c.name) == "beta.0.01.1" ? 0 : bound)
        << c.name;
  }
}

TEST(DistributionSamples, HaveTheMomentsThatAreSaid) {
  manual_seed(12);
  for (const Continuous& c : continuous()) {
    if (std::string_view(c.name) == "student") continue;  // its fourth moment is infinite
    Tensor x = to(c.distribution->sample({kSamples}), DType::f64);
    double mean = c.distribution->mean().item<double>();
    double std = c.distribution->stddev().item<double>();
    double off = (tessera::mean(x).item<double>() - mean) / std;
    EXPECT_LT(std::abs(off), 4 / std::sqrt(static_cast<double>(kSamples))) << c.name;
    EXPECT_NEAR(tessera::std(x).item<double>() / std, 1, 0.12) << c.name;
  }
}

struct Counts {
  const char* name;
  std::shared_ptr<Distribution> distribution;
};

std::vector<Counts> counts() {
  auto of = [](auto distribution) {
    return std::make_shared<decltype(distribution)>(std::move(distribution));
  };
  Tensor weights(Array::from<double>({0.1, 0, 3, 2, 0.5}, {5}));
  return {{"bernoulli", of(Bernoulli(f64(0.3)))},
          {"categorical", of(Categorical(weights))},
          {"binomial.small", of(Binomial(f64(50), 0.1))},
          {"binomial.large", of(Binomial(f64(100), 0.4))},
          {"binomial.mirrored", of(Binomial(f64(200), 0.9))},
          {"geometric", of(Geometric(f64(0.2)))},
          {"poisson.small", of(Poisson(f64(3.5)))},
          {"poisson.large", of(Poisson(f64(40)))},
          {"poisson.f32", of(Poisson(12))}};
}

// The sum of (seen - expected)^2 / expected over the values that are expected 5 times or more, and
// all others as one; minus how many there are, in standard deviations.
double excess_of_chi_squared(const Distribution& d, const Values& samples) {
  std::map<double, double> seen;
  for (double x : samples) ++seen[x];
  auto n = static_cast<double>(samples.size());
  auto last = static_cast<int64_t>(*std::max_element(samples.begin(), samples.end()));
  double sum = 0;
  double others_seen = n;
  double others_expected = n;
  int cells = 0;
  for (int64_t k = 0; k <= last; ++k) {
    Tensor value = Array::full({}, static_cast<double>(k), DType::i64);
    double expected = n * std::exp(d.log_prob(value).item<double>());
    if (expected < 5) continue;
    double at = seen[static_cast<double>(k)];
    sum += (at - expected) * (at - expected) / expected;
    others_seen -= at;
    others_expected -= expected;
    ++cells;
  }
  EXPECT_GT(cells, 1);
  EXPECT_NEAR(others_seen, others_expected, 5 + 4 * std::sqrt(std::abs(others_expected)));
  return (sum - cells) / std::sqrt(2.0 * cells);
}

TEST(DistributionSamples, CountsFollowTheirProbabilities) {
  manual_seed(13);
  for (const Counts& c : counts()) {
    Values x = doubles(c.distribution->sample({kSamples}).data());
    EXPECT_LT(excess_of_chi_squared(*c.distribution, x), 4) << c.name;
  }
  // Another rate is told apart.
  Values x = doubles(Poisson(f64(3.7)).sample({kSamples}).data());
  EXPECT_GT(excess_of_chi_squared(Poisson(f64(3.5)), x), 4);
}

TEST(DistributionSamples, OfVectorsHaveTheirCovariance) {
  manual_seed(14);
  Tensor covariance(Array::from<double>({2, 0.8, 0.8, 1}, {2, 2}));
  Tensor loc(Array::from<double>({3, -1}, {2}));
  Tensor x = MultivariateNormal(loc, covariance).sample({kSamples});
  Values seen = doubles(cov(transpose(x, 0, 1)).data());
  EXPECT_TRUE(test::close_to(seen, {2, 0.8, 0.8, 1}, 0.06, 0));
  EXPECT_TRUE(test::close_to(doubles(mean(x, 0).data()), {3, -1}, 0.04, 0));
  Tensor shares = Dirichlet(Array::from<double>({1, 2, 5}, {3})).sample({kSamples});
  EXPECT_TRUE(test::close_to(doubles(mean(shares, 0).data()), {0.125, 0.25, 0.625}, 0.006, 0));
  EXPECT_TRUE(test::close_to(doubles(var(shares, 0).data()),
                             {7.0 / 64 / 9, 12.0 / 64 / 9, 15.0 / 64 / 9}, 0, 0.05));
  EXPECT_TRUE(test::close_to(doubles(sum(shares, -1).data()), Values(kSamples, 1.0), 1e-14, 0));
}

TEST(DistributionSamples, HaveTheShapesOfSamplesBatchesAndEvents) {
  Tensor a = Array::full({3, 1}, 2);
  Tensor b = Array::full({4}, 3);
  EXPECT_EQ(Gamma(a, b).batch_shape(), (Dims{3, 4}));
  EXPECT_EQ(Gamma(a, b).sample({5, 2}).shape(), (Dims{5, 2, 3, 4}));
  EXPECT_EQ(Normal(a, b).rsample().shape(), (Dims{3, 4}));
  EXPECT_EQ(Normal(0, 1).sample().shape(), Dims());
  EXPECT_EQ(Dirichlet(a).event_shape(), (Dims{1}));
  Categorical letters(Array::full({2, 6}, 1));
  EXPECT_EQ(letters.sample({7}).shape(), (Dims{7, 2}));
  EXPECT_EQ(letters.sample().dtype(), DType::i64);
  EXPECT_EQ(letters.sample({0}).shape(), (Dims{0, 2}));
  EXPECT_EQ(letters.log_prob(letters.sample({7})).shape(), (Dims{7, 2}));
  Independent event(Normal(a, b), 1);
  EXPECT_EQ(event.batch_shape(), (Dims{3}));
  EXPECT_EQ(event.event_shape(), (Dims{4}));
  EXPECT_EQ(event.rsample({5}).shape(), (Dims{5, 3, 4}));
  EXPECT_EQ(event.log_prob(event.sample({5})).shape(), (Dims{5, 3}));
  EXPECT_EQ(Gamma(Array::full({2}, 1, DType::f64), 1).sample().dtype(), DType::f64);
  EXPECT_EQ(Gamma(Array::full({2}, 1, DType::bf16), 1).sample().dtype(), DType::bf16);
}

// As summaries of models want it.
TEST(DistributionSamples, OnADeviceWithoutElementsHaveShapes) {
  Tensor x(Array::full({3}, 0.5, DType::f32, Device{DeviceType::meta, 0}), true);
  for (const Tensor& y :
       {Normal(x, x).rsample({2}), Gamma(x, 1).rsample({2}), Beta(x, x).rsample({2}),
        Bernoulli(x).sample({2}), Poisson(x).sample({2}), Binomial(x, x).sample({2}),
        Normal(x, x).log_prob(full_like(x, 1)) + Laplace(x, x).sample({2})}) {
    EXPECT_EQ(y.shape(), (Dims{2, 3}));
    EXPECT_EQ(y.device(), x.device());
  }
  EXPECT_EQ(Categorical(x).sample({2}).shape(), (Dims{2}));
  sum(Dirichlet(x).rsample({2})).backward();
  EXPECT_EQ(x.grad().shape(), x.shape());
}

// On one thread, then on many.
TEST(DistributionSamples, AreTheSameForAnyNumberOfThreads) {
  std::vector<Array> expected;
  for (int threads : kThreadCounts) {
    test::Threads guard(threads);
    manual_seed(7);
    std::vector<Array> drawn;
    for (const Continuous& c : continuous()) drawn.push_back(c.distribution->sample({3000}).data());
    for (const Counts& c : counts()) drawn.push_back(c.distribution->sample({3000}).data());
    if (expected.empty()) expected = drawn;
    for (size_t i = 0; i < drawn.size(); ++i) EXPECT_TRUE(same_bits(drawn[i], expected[i])) << i;
  }
}

// Of rejection, where an element takes as many numbers as it needs.
TEST(DistributionSamples, OfOneElementDoNotDependOnOthers) {
  auto alike = [](const std::function<Tensor(const Tensor&)>& draw) {
    Tensor few = Array::full({10}, 0.5, DType::f64);
    Tensor many = cat({few, Array::full({990}, 0.9, DType::f64)});
    manual_seed(3);
    Array alone = draw(few).data();
    manual_seed(3);
    Array first = draw(many).data().slice(0, 0, 10);
    manual_seed(4);
    EXPECT_FALSE(same_bits(draw(few).data(), alone));
    return same_bits(alone, first);
  };
  EXPECT_TRUE(alike([](const Tensor& p) { return standard_gamma(p); }));
  EXPECT_TRUE(alike([](const Tensor& p) { return poisson(40 * p); }));
  EXPECT_TRUE(alike([](const Tensor& p) { return poisson(9 * p); }));
  EXPECT_TRUE(alike([](const Tensor& p) { return binomial(full_like(p, 1000), p); }));
  EXPECT_TRUE(alike([](const Tensor& p) { return binomial(full_like(p, 9), p); }));
}

TEST(DistributionSamples, OfTinyConcentrationsStayInside) {
  manual_seed(5);
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    Tensor tiny = Array::full({2000}, 1e-3, dtype);
    EXPECT_GT(min(to(Gamma(tiny, 1).sample(), DType::f64)).item<double>(), 0);
    Tensor x = to(Beta(tiny, tiny).sample(), DType::f64);
    EXPECT_GT(min(x).item<double>(), 0);
    EXPECT_LT(max(x).item<double>(), 1);
    // About half of them at either end, and next to none between.
    EXPECT_NEAR(mean(x).item<double>(), 0.5, 0.06);
    Tensor between = logical_and(gt(x, 0.01), lt(x, 0.99));
    EXPECT_LT(mean(to(between, DType::f64)).item<double>(), 0.02);
  }
  Tensor tiny = floats(Values(1000, 1e-3));
  Tensor shares = Dirichlet(tiny).rsample();
  sum(square(shares)).backward();
  EXPECT_TRUE(all(isfinite(tiny.grad())).item<bool>());
}

TEST(DistributionSamples, AtTheEndsOfParametersAreCertain) {
  manual_seed(6);
  EXPECT_EQ(doubles(Bernoulli(Array::from<float>({0, 1}, {2})).sample().data()), (Values{0, 1}));
  EXPECT_EQ(doubles(Geometric(1).sample({3}).data()), (Values{0, 0, 0}));
  EXPECT_EQ(doubles(Poisson(0).sample({3}).data()), (Values{0, 0, 0}));
  EXPECT_EQ(doubles(Binomial(5, Array::from<float>({0, 1}, {2})).sample().data()), (Values{0, 5}));
  EXPECT_EQ(doubles(Binomial(0, 0.5).sample().data()), (Values{0}));
}

// ----------------------------------------------------------------------------------------
// gradients

// A function of the parameters that draws the same noise each time.
template <class Make>
std::function<Tensor(const std::vector<Tensor>&)> drawing(const Make& make) {
  return [make](const std::vector<Tensor>& x) {
    manual_seed(21);
    return make(x).rsample({3});
  };
}

TEST(DistributionGradients, OfMovedAndStretchedNoiseAreThoseOfDifferences) {
  auto two = [] { return std::vector<Tensor>{floats({0.5, -1}, {2, 1}), floats({1.5, 0.7, 2})}; };
  gradcheck(drawing([](auto& x) { return Normal(x[0], x[1]); }), two());
  gradcheck(drawing([](auto& x) { return LogNormal(x[0], x[1]); }), two());
  gradcheck(drawing([](auto& x) { return Laplace(x[0], x[1]); }), two());
  gradcheck(drawing([](auto& x) { return Uniform(x[0], x[1]); }), two());
  gradcheck(drawing([](auto& x) { return Exponential(x[0]); }), {floats({1.5, 0.7, 2})});
  gradcheck(drawing([](auto& x) { return Independent(Normal(x[0], x[1]), 1); }), two());
  gradcheck(drawing([](auto& x) {
              Tensor covariance = matmul(x[1], transpose(x[1], 0, 1)) + eye(2, {}, DType::f64);
              return MultivariateNormal(x[0], covariance);
            }),
            {floats({0.5, -1}), floats({1.5, 0.7, -0.3, 0.4}, {2, 2})});
}

// The mean of a gradient is the gradient of a mean.
TEST(DistributionGradients, OfGammaBetaAndDirichletNumbersHaveTheRightMean) {
  manual_seed(22);
  auto count = static_cast<double>(kSamples);
  for (double c : {0.3, 1.0, 4.0, 50.0}) {
    Tensor concentration = floats({c}, {1});
    Tensor rate = floats({2}, {1});
    mean(square(Gamma(concentration, rate).rsample({kSamples}))).backward();
    // E[x^2] = c (c + 1) / rate^2
    EXPECT_NEAR(concentration.grad().item<double>(), (2 * c + 1) / 4, 0.05 * (2 * c + 1)) << c;
    EXPECT_NEAR(rate.grad().item<double>(), -c * (c + 1) / 4, 0.05 * c * (c + 1)) << c;
  }
  for (auto [a, b] : {std::pair{0.4, 0.7}, {2.0, 3.0}, {30.0, 5.0}}) {
    Tensor x = floats({a}, {1});
    Tensor y = floats({b}, {1});
    mean(Beta(x, y).rsample({kSamples})).backward();
    double total = (a + b) * (a + b);
    EXPECT_NEAR(x.grad().item<double>(), b / total, 3 / std::sqrt(count) / (a + b)) << a;
    EXPECT_NEAR(y.grad().item<double>(), -a / total, 3 / std::sqrt(count) / (a + b)) << a;
  }
  Tensor c = floats({0.5, 2, 3});
  Tensor shares = Dirichlet(c).rsample({kSamples});
  mean(select(shares, -1, 0) * select(shares, -1, 2)).backward();
  // E[x0 x2] = c0 c2 / (t (t + 1)) with t = 5.5
  double product = 1.5 / (5.5 * 6.5);
  double by_total = -product * (1 / 5.5 + 1 / 6.5);
  EXPECT_TRUE(test::close_to(doubles(c.grad().data()),
                             {product / 0.5 + by_total, by_total, product / 3 + by_total}, 3e-3,
                             0));
}

TEST(DistributionGradients, OfAGammaNumberIsItsSlope) {
  manual_seed(23);
  Tensor c = floats({0.2, 1, 7, 400});
  Tensor x = standard_gamma(c);
  x.backward(Tensor(Array::from<double>({1, 2, 3, 4}, {4})));
  Array slope = Array::empty({4}, DType::f64);
  kernels({}).random().gamma_slope(c.data(), x.data(), slope);
  EXPECT_TRUE(test::close_to(doubles(c.grad().data()),
                             doubles((Tensor(slope) * arange(1, 5)).data()), 0, 1e-15));
  manual_seed(23);
  Tensor again = standard_gamma(c);
  EXPECT_NE(test::error_of([&] { grad({sum(again)}, {c}, {}, {.create_graph = true}); }), "");
}

TEST(DistributionGradients, OfALargeConcentrationGoOnWhereTheExpansionBegins) {
  Array a = Array::from<double>({1e7, 1.0000001e7}, {2});
  Array x = Array::from<double>({1.0005e7, 1.0005e7 + 1.0005}, {2});
  Array slope = Array::empty({2}, DType::f64);
  kernels({}).random().gamma_slope(a, x, slope);
  EXPECT_NEAR(doubles(slope)[0], doubles(slope)[1], 1e-6);
  Array half = Array::full({2}, 0.5001, DType::f64);
  kernels({}).random().beta_slope(half, a, a, slope);
  EXPECT_NEAR(doubles(slope)[0] * 1e7, doubles(slope)[1] * 1.0000001e7, 1e-5);
}

}  // namespace
}  // namespace tessera::distributions
