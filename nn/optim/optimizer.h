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

// An optimizer that treats every element alike, so that parameters may be cut anywhere: a whole
// parameter here, or a segment of a bucket in a sharded run.
class Optimizer {
 public:
  // The parameters are leaves that require a gradient, each listed once.
  explicit Optimizer(std::vector<ParamGroup> groups);
  virtual ~Optimizer() = default;

  const std::vector<ParamGroup>& groups() const { return groups_; }
  // The names of its state arrays, each of a parameter's size: how checkpoints call them.
  virtual std::vector<std::string> state_names() const = 0;
  size_t num_states() const { return state_names().size(); }
  // Updates param and state in place from grad * grad_scale, a 0-d f64 array. Steps count from 1.
  virtual void update(const Slice& slice, const Array& grad_scale, double lr,
                      int64_t step) const = 0;

  // One step of all parameters that have a gradient, with this optimizer's own state.
  void step(double lr);
  // The same with gradients scaled, as by clip_grad_norm.
  void step(double lr, const Array& grad_scale);
  void zero_grad();

 private:
  struct State {
    std::vector<Array> arrays;
    int64_t steps = 0;  // that updated this parameter
  };

  std::vector<ParamGroup> groups_;
  std::vector<State> states_;  // by parameter, in the order of the groups
};

// The factor min(1, max_norm / (norm + 1e-6)) as a 0-d f64 array, norm being that of all gradients
// together. The sum of squares runs over chunks of 256 elements in one tree.
Array clip_grad_norm(const std::vector<Tensor>& params, double max_norm, double* norm = nullptr);

}  // namespace tessera::optim
