// Functions of a user's own, with their gradient.
#pragma once

#include <memory>
#include <vector>

#include "autograd/record.h"

namespace tessera {

// What a Function's forward leaves for its backward.
class FunctionContext {
 public:
  // Inputs that backward will ask for.
  void save_for_backward(const std::vector<Tensor>& inputs);
  // Results of this function that backward will ask for, by their number.
  void save_result(size_t number) { saved_results_.push_back(number); }
  // In the order they were saved, inputs before results.
  const std::vector<Tensor>& saved() const { return current_; }
  // Whether the gradient of input i is wanted.
  bool needs_input_grad(size_t i) const { return needs_[i]; }

 private:
  friend class Function;
  std::vector<Saved> saved_inputs_;
  std::vector<size_t> saved_results_;
  std::vector<SavedResult> result_arrays_;
  std::vector<Tensor> current_;
  std::vector<bool> needs_;
};

// Derive from it, write forward and backward, and call apply. One object may be applied many times.
class Function : public std::enable_shared_from_this<Function> {
 public:
  virtual ~Function() = default;
  // As errors and anomaly mode name it; a literal.
  virtual const char* name() const = 0;
  // Runs without recording: what it computes is differentiated by backward alone.
  virtual std::vector<Tensor> forward(FunctionContext& saved,
                                      const std::vector<Tensor>& inputs) = 0;
  // From the gradients of the results (undefined: zero) those of the inputs (undefined: none).
  // Written with Tensor functions it can be differentiated in its turn.
  virtual Grads backward(const FunctionContext& saved, const Grads& dys) = 0;

  std::vector<Tensor> apply(const std::vector<Tensor>& inputs);
};

}  // namespace tessera
