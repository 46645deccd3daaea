// Optimizers: how parameters follow their gradients.
#pragma once

#include <string>
#include <vector>

#include "autograd/tensor.h"

namespace tessera::optim {

// Parameters that share their settings.
struct ParamGroup {
  std::vector<Tensor> params;
  double weight_decay = 0;
};

// A run of elements to update: flat arrays of one length.
struct Slice {
  Array param;
  Array grad;
  std::vector<Array> state;  // num_states() of them, zeros before the first step
  double weight_decay = 0;
};

// What step() does about gradients that, times their scale, are not finite: nothing at all, so that
// they reach the parameters; leaves everything as it is and returns false; or throws Error.
enum class NonFinite { take, skip, refuse };

// An optimizer that treats every element alike, so that parameters may be cut anywhere: a whole
// parameter here, or a segment of a bucket in a sharded run.
class Optimizer {
 public:
  // The parameters are leaves, each listed once. Frozen ones, which require no gradient, are left
  // alone for as long as they do not; one at least requires a gradient.
  explicit Optimizer(std::vector<ParamGroup> groups);
  virtual ~Optimizer() = default;

  const std::vector<ParamGroup>& groups() const { return groups_; }
  // The names of its state arrays, each of a parameter's size: how checkpoints call them.
  virtual std::vector<std::string> state_names() const = 0;
  size_t num_states() const { return state_names().size(); }
  // Its settings in words, those of the groups aside: what ranks compare before they train
  // together.
  virtual std::string describe() const { return {}; }
  // Updates param and state in place from grad * grad_scale, a 0-d f64 array. Steps count from 1,
  // and only those that update: one that was skipped is none.
  virtual void update(const Slice& slice, const Array& grad_scale, double lr,
                      int64_t step) const = 0;

  // `take` unless set. Looking costs one more reading of the gradients.
  void on_nonfinite(NonFinite wanted) { on_nonfinite_ = wanted; }
  // One step of all parameters that have a gradient, with this optimizer's own state. Returns
  // whether it was taken.
  bool step(double lr);
  // The same with gradients scaled, as by clip_grad_norm.
  bool step(double lr, const Array& grad_scale);
  void zero_grad();

 private:
  struct State {
    std::vector<Array> arrays;
    int64_t steps = 0;  // that updated this parameter
  };

  std::string nonfinite(double lr, const Array& grad_scale) const;

  std::vector<ParamGroup> groups_;
  std::vector<State> states_;  // by parameter, in the order of the groups
  NonFinite on_nonfinite_ = NonFinite::take;
};

// The factor min(1, max_norm / (norm + 1e-6)) as a 0-d f64 array, norm being that of all gradients
// together. The sum of squares runs over chunks of 256 elements in one tree.
Array clip_grad_norm(const std::vector<Tensor>& params, double max_norm, double* norm = nullptr);

}  // namespace tessera::optim
