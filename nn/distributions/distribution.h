// Distribution: what torch.distributions' classes share.
//
//   Normal noise(loc, scale);                  // tensors or numbers, which broadcast
//   Tensor x = noise.rsample({16});            // 16 samples of each, with gradients
//   Tensor kl = kl_divergence(noise, Normal(zeros_like(loc), 1));
//   Tensor loss = mean(kl) - mean(noise.log_prob(y));
//
// A distribution is a batch of independent ones, each over events: parameters that broadcast to
// (batch..., event...) give samples of (sample..., batch..., event...). Functions of it can be
// differentiated by its parameters, and are on their device, which is the CPU where all are
// numbers. Random numbers come from the calling thread's Context: the same bits for any number of
// threads and ranks, and on every device. Errors begin with the class's name, and say where a
// value is wrong.
#pragma once

#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "autograd/tensor_arg.h"
#include "core/call_place.h"

namespace tessera::distributions {

// A parameter as it is given: a tensor of a floating dtype, or a number, which has the dtype of the
// tensors beside it, or is f32. Lives as long as the call, whose place it notes.
class ParameterArg {
 public:
  ParameterArg(const Tensor& tensor, const char* file = __builtin_FILE(),
               int line = __builtin_LINE())
      : tensor_(tensor), call_({file, line}) {}
  ParameterArg(const Array& data, const char* file = __builtin_FILE(), int line = __builtin_LINE())
      : tensor_(data), call_({file, line}) {}
  template <class T>
  requires std::is_arithmetic_v<T> ParameterArg(T number, const char* file = __builtin_FILE(),
                                                int line = __builtin_LINE())
      : number_(static_cast<double>(number)), is_number_(true), call_({file, line}) {}

  bool is_number() const { return is_number_; }
  const Tensor& tensor() const { return tensor_; }
  double number() const { return number_; }

 private:
  Tensor tensor_;
  double number_ = 0;
  bool is_number_ = false;
  NotedCall call_;
};

class Distribution {
 public:
  virtual ~Distribution() = default;

  const char* name() const { return name_; }
  const Dims& batch_shape() const { return batch_shape_; }
  const Dims& event_shape() const { return event_shape_; }

  // Numbers without a history: shape + batch_shape + event_shape.
  Tensor sample(const Dims& shape = {}, CallSite site = {}) const;
  // The logarithm of the density, or of the probability: value broadcasts with batch_shape +
  // event_shape, the event's dims are gone from the result. An error where the value is none that
  // the distribution has.
  Tensor log_prob(TensorArg value) const;
  // Of batch_shape; those after it, of batch_shape + event_shape.
  Tensor entropy(CallSite site = {}) const;
  Tensor mean(CallSite site = {}) const;
  Tensor variance(CallSite site = {}) const;
  Tensor stddev(CallSite site = {}) const;

 protected:
  // `name` is a literal.
  explicit Distribution(const char* name, Dims batch_shape = {}, Dims event_shape = {});
  Distribution(const Distribution&) = default;
  Distribution(Distribution&&) = default;
  Distribution& operator=(const Distribution&) = default;
  Distribution& operator=(Distribution&&) = default;

  // Numbers of `shape`, which ends in batch_shape + event_shape.
  virtual Tensor draw(const Dims& shape) const = 0;
  // Of a value that was checked: of a floating dtype unless wants_integers().
  virtual Tensor log_density(const Tensor& value) const = 0;
  virtual Tensor own_entropy() const = 0;
  virtual Tensor own_mean() const = 0;
  virtual Tensor own_variance() const = 0;
  virtual Tensor own_stddev() const;
  // An error unless all of value is in the support.
  virtual void check_value(const Tensor& value) const = 0;
  // What integers are converted to before anything is computed with them.
  virtual DType dtype() const = 0;

  // For constructors that find out what the parameters broadcast to.
  void set_shapes(const Dims& batch_shape, const Dims& event_shape = {});
  // An error naming this class and, in words, what was `wanted`, unless `met`, which value
  // broadcasts to, is true everywhere.
  void check_all(const Tensor& met, const Tensor& value, const std::string& wanted) const;
  // shape + batch_shape + event_shape.
  Dims extended(const Dims& shape) const;

 private:
  const char* name_;
  Dims batch_shape_;
  Dims event_shape_;
};

// One whose samples can be differentiated by its parameters.
class Reparameterized : public Distribution {
 public:
  // As sample, with a history.
  Tensor rsample(const Dims& shape = {}, CallSite site = {}) const;

 protected:
  using Distribution::Distribution;
};

// A parameter with its name.
struct NamedArg {
  const char* name;
  const ParameterArg& arg;
};
// As tensors of one floating dtype and one shape, on one device; errors name the distribution.
std::vector<Tensor> broadcast_parameters(const char* distribution,
                                         std::initializer_list<NamedArg> args);
// One alone.
Tensor single_parameter(const char* distribution, const NamedArg& arg);

// "[Normal] expected a scale above 0, got -1 at 2 of (3,)": an error unless `met`, which x
// broadcasts to, is true everywhere. Where the host cannot read x the number is left out.
void check_parameter(const char* distribution, const Tensor& met, const Tensor& x,
                     const char* wanted);
void check_positive(const char* distribution, const char* parameter, const Tensor& x);
void check_probabilities(const char* distribution, const Tensor& probs);
// No NaN.
void check_real(const char* distribution, const char* parameter, const Tensor& x);

// Noise for a draw: constants of this shape, of x's dtype and on its device.
Tensor standard_normal(const Dims& shape, const Tensor& x);
Tensor standard_uniform(const Dims& shape, const Tensor& x);
Tensor standard_exponential(const Dims& shape, const Tensor& x);

// The logarithms of odds, of probabilities that are first brought into [eps, 1 - eps] for the
// distance eps of 1 and the next number of the dtype; as in PyTorch.
Tensor logits_of(const Tensor& probs);
Tensor clamped_probs(const Tensor& probs);

// log(beta function).
Tensor log_beta(const Tensor& a, const Tensor& b);

// The last `count` dims of x summed.
Tensor sum_last(const Tensor& x, size_t count);

Dims joined(const Dims& front, const Dims& back);

}  // namespace tessera::distributions
