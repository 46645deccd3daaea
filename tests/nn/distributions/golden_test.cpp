// Distributions against torch.distributions: scripts/make_distributions_golden.py.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "core/kernels.h"
#include "core/kernels/random.h"
#include "nn/distributions.h"
#include "tests/support/golden.h"

namespace tessera::distributions {
namespace {

using test::GoldenArgs;
using test::GoldenOps;
using Tensors = std::vector<Tensor>;

// How many arguments of a case are D's parameters.
template <class D>
constexpr size_t kCount =
    OneOf<D, StudentT>
        ? 3
        : (OneOf<D, Exponential, Dirichlet, Bernoulli, Categorical, Geometric, Poisson> ? 1 : 2);

template <class D>
D made(const GoldenArgs& a, size_t first) {
  if constexpr (kCount<D> == 1) return D(a.tensor(first));
  else if constexpr (kCount<D> == 2) return D(a.tensor(first), a.tensor(first + 1));
  else return D(a.tensor(first), a.tensor(first + 1), a.tensor(first + 2));
}

Tensors described(const Distribution& d, const Tensor& value) {
  Tensors out{d.log_prob(value)};
  if (std::string_view(d.name()) != "Poisson") out.push_back(d.entropy());
  for (const Tensor& x : {d.mean(), d.variance(), d.stddev()}) out.push_back(x);
  return out;
}

template <class D>
void add(GoldenOps& ops, const std::string& name) {
  ops[name] = [](const GoldenArgs& a) { return described(made<D>(a, 0), a.tensor(kCount<D>)); };
}

template <class P, class Q>
void add_pair(GoldenOps& ops, const std::string& p, const std::string& q) {
  ops[p + "." + q] = [](const GoldenArgs& a) {
    return Tensors{kl_divergence(made<P>(a, 0), made<Q>(a, kCount<P>))};
  };
}

// PyTorch's trigamma, in gradients of these, has nine digits.
double slack_of(const std::string& name) {
  for (const char* kind : {"Gamma", "Beta", "Dirichlet", "StudentT"}) {
    if (name.find(kind) != std::string::npos) return 30;
  }
  return 1;
}

// Every case has its operation, and every operation a case.
void expect_all(const std::string& file_name, const GoldenOps& ops) {
  auto file = test::read_golden(std::string(TESSERA_GOLDEN_DIR) + "/nn/" + file_name);
  std::set<std::string> used;
  for (const test::GoldenCase& golden : file.cases) {
    auto op = ops.find(golden.op);
    if (op == ops.end()) {
      ADD_FAILURE() << "nothing for " << golden.op;
      continue;
    }
    used.insert(golden.op);
    EXPECT_EQ(test::golden_fault(file, golden, op->second, slack_of(golden.op)), "") << golden.name;
  }
  for (const auto& [name, op] : ops) EXPECT_TRUE(used.contains(name)) << "no case of " << name;
}

GoldenOps all_distributions() {
  GoldenOps ops;
  add<Normal>(ops, "Normal");
  add<LogNormal>(ops, "LogNormal");
  add<Laplace>(ops, "Laplace");
  add<StudentT>(ops, "StudentT");
  add<Uniform>(ops, "Uniform");
  add<Exponential>(ops, "Exponential");
  add<Gamma>(ops, "Gamma");
  add<Beta>(ops, "Beta");
  add<Dirichlet>(ops, "Dirichlet");
  add<Bernoulli>(ops, "Bernoulli");
  add<Categorical>(ops, "Categorical");
  add<Binomial>(ops, "Binomial");
  add<Geometric>(ops, "Geometric");
  add<Poisson>(ops, "Poisson");
  add<MultivariateNormal>(ops, "MultivariateNormal");
  ops["Bernoulli.logits"] = [](const GoldenArgs& a) {
    return described(Bernoulli::from_logits(a.tensor(0)), a.tensor(1));
  };
  ops["Categorical.logits"] = [](const GoldenArgs& a) {
    return described(Categorical::from_logits(a.tensor(0)), a.tensor(1));
  };
  ops["Binomial.logits"] = [](const GoldenArgs& a) {
    return described(Binomial::from_logits(a.tensor(0), a.tensor(1)), a.tensor(2));
  };
  ops["Geometric.logits"] = [](const GoldenArgs& a) {
    return described(Geometric::from_logits(a.tensor(0)), a.tensor(1));
  };
  ops["MultivariateNormal.precision"] = [](const GoldenArgs& a) {
    return described(MultivariateNormal::from_precision(a.tensor(0), a.tensor(1)), a.tensor(2));
  };
  ops["MultivariateNormal.scale_tril"] = [](const GoldenArgs& a) {
    return described(MultivariateNormal::from_scale_tril(a.tensor(0), a.tensor(1)), a.tensor(2));
  };
  ops["Independent.Normal"] = [](const GoldenArgs& a) {
    return described(Independent(made<Normal>(a, 0), 1), a.tensor(2));
  };
  ops["Independent.Bernoulli"] = [](const GoldenArgs& a) {
    return described(Independent(Bernoulli::from_logits(a.tensor(0)), 2), a.tensor(1));
  };
  return ops;
}

void add_pairs_of_one(GoldenOps& ops) {
  add_pair<Normal, Normal>(ops, "Normal", "Normal");
  add_pair<LogNormal, LogNormal>(ops, "LogNormal", "LogNormal");
  add_pair<Laplace, Laplace>(ops, "Laplace", "Laplace");
  add_pair<Uniform, Uniform>(ops, "Uniform", "Uniform");
  add_pair<Exponential, Exponential>(ops, "Exponential", "Exponential");
  add_pair<Gamma, Gamma>(ops, "Gamma", "Gamma");
  add_pair<Beta, Beta>(ops, "Beta", "Beta");
  add_pair<Dirichlet, Dirichlet>(ops, "Dirichlet", "Dirichlet");
  add_pair<MultivariateNormal, MultivariateNormal>(ops, "MultivariateNormal", "MultivariateNormal");
  add_pair<Bernoulli, Bernoulli>(ops, "Bernoulli", "Bernoulli");
  add_pair<Categorical, Categorical>(ops, "Categorical", "Categorical");
  add_pair<Binomial, Binomial>(ops, "Binomial", "Binomial");
  add_pair<Geometric, Geometric>(ops, "Geometric", "Geometric");
  add_pair<Poisson, Poisson>(ops, "Poisson", "Poisson");
  ops["Bernoulli.logits.Bernoulli.logits"] = [](const GoldenArgs& a) {
    return Tensors{
        kl_divergence(Bernoulli::from_logits(a.tensor(0)), Bernoulli::from_logits(a.tensor(1)))};
  };
  ops["Categorical.logits.Categorical.logits"] = [](const GoldenArgs& a) {
    return Tensors{kl_divergence(Categorical::from_logits(a.tensor(0)),
                                 Categorical::from_logits(a.tensor(1)))};
  };
  ops["Independent.Normal.Independent.Normal"] = [](const GoldenArgs& a) {
    return Tensors{
        kl_divergence(Independent(made<Normal>(a, 0), 1), Independent(made<Normal>(a, 2), 1))};
  };
}

void add_pairs_of_two(GoldenOps& ops) {
  add_pair<Normal, Laplace>(ops, "Normal", "Laplace");
  add_pair<Normal, Exponential>(ops, "Normal", "Exponential");
  add_pair<Normal, Gamma>(ops, "Normal", "Gamma");
  add_pair<Normal, Beta>(ops, "Normal", "Beta");
  add_pair<Normal, Uniform>(ops, "Normal", "Uniform");
  add_pair<Laplace, Normal>(ops, "Laplace", "Normal");
  add_pair<Laplace, Exponential>(ops, "Laplace", "Exponential");
  add_pair<Laplace, Gamma>(ops, "Laplace", "Gamma");
  add_pair<Laplace, Beta>(ops, "Laplace", "Beta");
  add_pair<Laplace, Uniform>(ops, "Laplace", "Uniform");
  add_pair<Uniform, Normal>(ops, "Uniform", "Normal");
  add_pair<Uniform, Exponential>(ops, "Uniform", "Exponential");
  add_pair<Uniform, Gamma>(ops, "Uniform", "Gamma");
  add_pair<Uniform, Beta>(ops, "Uniform", "Beta");
  add_pair<Exponential, Normal>(ops, "Exponential", "Normal");
  add_pair<Exponential, Gamma>(ops, "Exponential", "Gamma");
  add_pair<Exponential, Beta>(ops, "Exponential", "Beta");
  add_pair<Exponential, Uniform>(ops, "Exponential", "Uniform");
  add_pair<Gamma, Normal>(ops, "Gamma", "Normal");
  add_pair<Gamma, Exponential>(ops, "Gamma", "Exponential");
  add_pair<Gamma, Beta>(ops, "Gamma", "Beta");
  add_pair<Gamma, Uniform>(ops, "Gamma", "Uniform");
  add_pair<Beta, Normal>(ops, "Beta", "Normal");
  add_pair<Beta, Exponential>(ops, "Beta", "Exponential");
  add_pair<Beta, Gamma>(ops, "Beta", "Gamma");
  add_pair<Beta, Uniform>(ops, "Beta", "Uniform");
  add_pair<Bernoulli, Poisson>(ops, "Bernoulli", "Poisson");
  add_pair<Poisson, Bernoulli>(ops, "Poisson", "Bernoulli");
  add_pair<Poisson, Binomial>(ops, "Poisson", "Binomial");
}

TEST(GoldenDistributions, ValuesAndGradientsAreThoseOfPyTorch) {
  expect_all("distributions.safetensors", all_distributions());
}

TEST(GoldenDistributions, DivergencesAreThoseOfPyTorch) {
  GoldenOps ops;
  add_pairs_of_one(ops);
  add_pairs_of_two(ops);
  expect_all("distributions_kl.safetensors", ops);
}

// What each case says, and how far PyTorch's approximations may be off.
TEST(GoldenDistributions, GammaAndBetaNumbersMoveWithTheirParameters) {
  const RandomFamily& random = kernels({}).random();
  GoldenOps ops;
  auto array = [](const GoldenArgs& a, size_t i) { return a.tensor(i).data(); };
  ops["gamma"] = [&](const GoldenArgs& a) {
    Array out = Array::empty(a.tensor(0).shape(), DType::f64);
    random.gamma_slope(array(a, 0), array(a, 1), out);
    return Tensors{out};
  };
  ops["beta"] = [&](const GoldenArgs& a) {
    Array out = Array::empty(a.tensor(0).shape(), DType::f64);
    random.beta_slope(array(a, 0), array(a, 1), array(a, 2), out);
    return Tensors{out};
  };
  auto file =
      test::read_golden(std::string(TESSERA_GOLDEN_DIR) + "/nn/distributions_slopes.safetensors");
  ASSERT_EQ(file.cases.size(), 4U);
  for (const test::GoldenCase& golden : file.cases) {
    double slack = golden.name.ends_with("exact") ? 0.1 : 1e7;
    EXPECT_EQ(test::golden_fault(file, golden, ops.at(golden.op), slack), "") << golden.name;
  }
  // Values that are off are found.
  ops["gamma"] = [&](const GoldenArgs& a) {
    Array out = Array::empty(a.tensor(0).shape(), DType::f64);
    random.gamma_slope(array(a, 0), (a.tensor(1) * 1.01).data(), out);
    return Tensors{out};
  };
  for (const test::GoldenCase& golden : file.cases) {
    if (golden.name == "gamma.exact") {
      EXPECT_NE(test::golden_fault(file, golden, ops.at("gamma"), 1e6), "");
    }
  }
}

}  // namespace
}  // namespace tessera::distributions
