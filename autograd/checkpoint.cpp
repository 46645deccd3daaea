#include "autograd/checkpoint.h"

namespace tessera {
namespace {

// Sets what a run of the function sees, and puts everything back.
class RunScope {
 public:
  explicit RunScope(std::shared_ptr<Recomputation> current) : before_(context()) {
    context().recomputation = std::move(current);
  }
  ~RunScope() { context().recomputation = before_.recomputation; }
  RunScope(const RunScope&) = delete;
  RunScope& operator=(const RunScope&) = delete;

  // Back to all of the state from before, random numbers included.
  void restore_all() { context() = before_; }

 private:
  Context before_;
};

}  // namespace

Recomputation::Recomputation(TensorFunction fn, const std::vector<Tensor>& inputs)
    : fn_(std::move(fn)),
      outer_(context().recomputation),
      random_(context().random),
      module_path_(context().module_path) {
  for (const Tensor& input : inputs) {
    inputs_.emplace_back(input.defined() ? input.data() : Array());
    requires_grad_.push_back(input.defined() && input.requires_grad());
  }
}

std::vector<Tensor> Recomputation::run_forward(const std::vector<Tensor>& inputs) {
  RunScope scope(shared_from_this());
  std::vector<Tensor> outputs = fn_(inputs);
  num_slots_ = next_;
  return outputs;
}

const Recomputation* Recomputation::running_again() const {
  const Recomputation* here = this;
  while (here && !here->running_again_) here = here->outer_.get();
  return here;
}

size_t Recomputation::next_slot(const Array& data) {
  if (running_again_) slots_.push_back(data);
  return next_++;
}

Array Recomputation::array(size_t slot) {
  if (slots_.empty()) run_again();
  TESSERA_CHECK(slots_[slot].defined(),
                "[checkpoint] backward a second time: its tensors are gone; keep them with "
                "retain_graph");
  return slots_[slot];
}

void Recomputation::drop(size_t slot) noexcept {
  if (slot < slots_.size() && !running_again_) slots_[slot] = {};
}

void Recomputation::run_again() {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Array data = inputs_[i].get("checkpoint");
    inputs.push_back(data.defined() ? Tensor(data, requires_grad_[i]) : Tensor());
  }
  RunScope scope(shared_from_this());
  struct Restore {
    RunScope& scope;
    bool& running;
    ~Restore() {
      running = false;
      scope.restore_all();
    }
  } restore{scope, running_again_};
  context().grad_enabled = true;
  context().random = random_;
  context().module_path = module_path_;
  next_ = 0;
  running_again_ = true;
  fn_(inputs);
  if (next_ == num_slots_) return;
  size_t count = next_;
  slots_.clear();
  throw_error(
      fmt::format("[checkpoint] the function saved {} tensors when it ran again, {} before: it "
                  "must do the same both times",
                  count, num_slots_));
}

std::vector<Tensor> checkpoint(TensorFunction fn, const std::vector<Tensor>& inputs) {
  if (!context().grad_enabled) return fn(inputs);
  return std::make_shared<Recomputation>(std::move(fn), inputs)->run_forward(inputs);
}

Tensor checkpoint(std::function<Tensor(const Tensor&)> fn, const Tensor& input) {
  TensorFunction many = [fn = std::move(fn)](const std::vector<Tensor>& inputs) {
    return std::vector<Tensor>{fn(inputs[0])};
  };
  return checkpoint(std::move(many), std::vector<Tensor>{input})[0];
}

}  // namespace tessera
