// Recomputation: activations that are made again for backward instead of being kept.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "autograd/context.h"
#include "autograd/saved.h"
#include "autograd/tensor.h"

namespace tessera {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

// fn(inputs), of which backward keeps nothing but the inputs: when the first gradient arrives, fn
// runs again, with the same random numbers, grad mode and module path, and what its operations had
// saved is there. The graph is that of fn itself, so parameters that fn uses, grad() and
// create_graph work as without it. fn must do the same both times; that it saves another number of
// tensors is an error. Checkpoints may be nested.
std::vector<Tensor> checkpoint(TensorFunction fn, const std::vector<Tensor>& inputs);
Tensor checkpoint(std::function<Tensor(const Tensor&)> fn, const Tensor& input);

// One call of checkpoint(), shared by all that its operations saved.
class Recomputation : public std::enable_shared_from_this<Recomputation> {
 public:
  Recomputation(TensorFunction fn, const std::vector<Tensor>& inputs);
  std::vector<Tensor> run_forward(const std::vector<Tensor>& inputs);

  // While fn runs: the number of the next saved array.
  size_t next_slot(const Array& data);
  // Whether this is the second run, whose arrays are what counts.
  bool keeps_arrays() const { return running_again_; }
  // Of this one and those whose functions made it, the innermost that runs again: what happens in
  // here has happened before. Null: none does.
  const Recomputation* running_again() const;
  // The one whose function made this one; null outside of all.
  const std::shared_ptr<Recomputation>& outer() const { return outer_; }
  // The array of a slot, from a second run of fn if there was none yet.
  Array array(size_t slot);
  // The slot's array is not needed any more.
  void drop(size_t slot) noexcept;

 private:
  void run_again();

  TensorFunction fn_;
  std::shared_ptr<Recomputation> outer_;
  std::vector<SavedArray> inputs_;
  std::vector<bool> requires_grad_;
  RandomState random_;
  std::shared_ptr<const std::string> module_path_;
  size_t num_slots_ = 0;
  size_t next_ = 0;
  bool running_again_ = false;
  std::vector<Array> slots_;  // of the second run; empty before it
};

}  // namespace tessera
