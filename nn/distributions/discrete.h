// Distributions over integers: Bernoulli, Categorical, Binomial, Geometric, Poisson. Those with
// probabilities take them as `probs`, or as logits by from_logits. The logarithm of a probability
// of 0 or 1 is that of the nearest number inside of (0, 1) which is at least the dtype's epsilon
// away, as in PyTorch. Samples are of the parameters' dtype, those of Categorical i64.
#pragma once

#include "nn/distributions/distribution.h"

namespace tessera::distributions {

// Probabilities, given as such or by the logarithms of their odds.
class Chances {
 public:
  static Chances of_probs(const char* distribution, const Tensor& probs);
  static Chances of_logits(const char* distribution, const Tensor& logits);
  Tensor probs() const;
  Tensor logits() const;
  DType dtype() const { return given_.dtype(); }
  const Dims& shape() const { return given_.shape(); }

  Tensor given_;
  bool are_logits_ = false;
};

// 1 with probability probs, else 0.
class Bernoulli final : public Distribution {
 public:
  explicit Bernoulli(ParameterArg probs);
  static Bernoulli from_logits(ParameterArg logits);
  Tensor probs() const { return chances_.probs(); }
  Tensor logits() const { return chances_.logits(); }

 private:
  explicit Bernoulli(Chances chances);
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override { return probs(); }
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return chances_.dtype(); }

  Chances chances_;
};

// 0 to K - 1 with probabilities in proportion to probs (batch..., K), which are at least 0 and not
// all 0; or to exp(logits). Values are integers of any dtype. The mean and the variance are NaN.
class Categorical final : public Distribution {
 public:
  explicit Categorical(ParameterArg probs);
  static Categorical from_logits(ParameterArg logits);
  // They add up to 1.
  const Tensor& probs() const { return probs_; }
  const Tensor& logits() const { return logits_; }
  int64_t num_categories() const { return probs_.size(-1); }

 private:
  Categorical(Tensor probs, Tensor logits);
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override { return own_mean(); }
  Tensor own_stddev() const override { return own_mean(); }
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return DType::i64; }

  Tensor probs_;
  Tensor logits_;
};

// Successes among total_count trials, whole numbers of at least 0. The entropy reads the largest
// total_count on the host, and takes as many steps.
class Binomial final : public Distribution {
 public:
  Binomial(ParameterArg total_count, ParameterArg probs);
  static Binomial from_logits(ParameterArg total_count, ParameterArg logits);
  const Tensor& total_count() const { return total_count_; }
  Tensor probs() const { return chances_.probs(); }
  Tensor logits() const { return chances_.logits(); }

 private:
  Binomial(Tensor total_count, Chances chances);
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return chances_.dtype(); }

  Tensor total_count_;
  Chances chances_;
};

// Failures before the first success: (1 - probs)^k probs, probs > 0.
class Geometric final : public Distribution {
 public:
  explicit Geometric(ParameterArg probs);
  static Geometric from_logits(ParameterArg logits);
  Tensor probs() const { return chances_.probs(); }
  Tensor logits() const { return chances_.logits(); }

 private:
  explicit Geometric(Chances chances);
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override;
  Tensor own_variance() const override;
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return chances_.dtype(); }

  Chances chances_;
};

// rate^k exp(-rate) / k!, rate >= 0. It has no entropy that could be written down: asking for it is
// an error, as in PyTorch.
class Poisson final : public Distribution {
 public:
  explicit Poisson(ParameterArg rate);
  const Tensor& rate() const { return rate_; }

 private:
  Tensor draw(const Dims& shape) const override;
  Tensor log_density(const Tensor& value) const override;
  Tensor own_entropy() const override;
  Tensor own_mean() const override { return rate_; }
  Tensor own_variance() const override { return rate_; }
  void check_value(const Tensor& value) const override;
  DType dtype() const override { return rate_.dtype(); }

  Tensor rate_;
};

}  // namespace tessera::distributions
