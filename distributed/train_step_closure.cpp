// Steps of rules that ask for the loss at several points.
#include <cmath>
#include <utility>

#include "autograd/context.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "distributed/agreement.h"
#include "distributed/gradient_norm.h"
#include "distributed/train_step.h"
#include "nn/optim/closure_rule.h"

namespace tessera {

// What of the trained buckets this rank updates: all that is sharded of them is so here, and every
// sum is that of the whole model.
class TrainStep::StepObjective final : public optim::Objective {
 public:
  StepObjective(TrainStep& step, const LossOfLeaf& loss_of_leaf, StepCall call)
      : step_(step), loss_of_leaf_(loss_of_leaf), call_(call) {
    for (const Bucket& bucket : step.buckets_) {
      if (!bucket.trained) continue;
      params_.push_back(bucket.master);
      states_.resize(bucket.state.size());
      for (size_t i = 0; i < states_.size(); ++i) states_[i].push_back(bucket.state[i]);
    }
  }

  const optim::Pieces& params() const override { return params_; }
  const std::vector<optim::Pieces>& states() const override { return states_; }

  Value evaluate() override {
    EnableGrad enable_grad;
    StepGradients gradients = step_.sums_of(loss_of_leaf_, call_);
    step_.read_loss(gradients);
    return mean_of(gradients);
  }
  // Takes the sums.
  static Value mean_of(StepGradients& gradients) {
    Value value{gradients.loss};
    for (const Array& sums : gradients.sums) {
      if (!sums.defined()) continue;
      kernels(sums.device()).binary().affine(sums, 1 / gradients.weight, 0, sums);
      value.gradient.push_back(sums);
    }
    return value;
  }

  void params_changed() override {
    own_params_changed();
    step_.gather_parameters();
  }
  // The same without the other ranks.
  void own_params_changed() {
    for (const Bucket& bucket : step_.buckets_) {
      if (!bucket.trained) continue;
      if (bucket.master.storage() != bucket.own_params.storage()) {
        bucket.own_params.copy_(bucket.master);
      }
      bucket.params.storage()->mark_changed("TrainStep::run");
    }
  }
  // Of the rule, which has put back the masters where it throws.
  optim::ClosureOutcome run(Value start, double lr) {
    try {
      return step_.closure_rule_->step(*this, std::move(start), lr);
    } catch (const SharedError&) {
      params_changed();
      throw;
    } catch (...) {
      own_params_changed();
      throw;
    }
  }

 private:
  double sum_of_chunks(const Array& chunks) override {
    return tree_sum_of_chunks(step_.buckets_, chunks, step_.grid_).item<double>();
  }

  double max_of_ranks(double own) override {
    const Levels& owners = step_.grid_.owners();
    if (owners.size() == 1) return own;
    Array mine = Array::scalar(own, DType::f64).view({1}).to(params_[0].device());
    std::vector<Array> all;
    for (int rank = 0; rank < owners.size(); ++rank)
      all.push_back(rank == owners.rank() ? mine : Array::empty({1}, DType::f64, mine.device()));
    owners.all().all_gather(mine, all).join();
    double largest = 0;
    for (const Array& one : all) {
      double value = one.item<double>();
      if (!(value <= largest)) largest = value;
      if (std::isnan(value)) break;
    }
    return largest;
  }

  TrainStep& step_;
  const LossOfLeaf& loss_of_leaf_;
  StepCall call_;
  optim::Pieces params_;
  std::vector<optim::Pieces> states_;
};

// The loss, the norm and what the leaves observed are those of where the step begins.
StepResult TrainStep::run_closure(double lr, const LossOfLeaf& loss_of_leaf, StepCall call) {
  settle();
  StepGradients first = sums_of(loss_of_leaf, call);
  read_loss(first);
  StepNumbers numbers{.loss = first.loss};
  numbers.grad_norm = gradient_norm(buckets_, first.sums, grid_).item<double>() / first.weight;
  numbers.finite = std::isfinite(numbers.loss) && std::isfinite(numbers.grad_norm);
  if (numbers.finite) {
    StepObjective objective(*this, loss_of_leaf, call);
    optim::ClosureOutcome outcome = objective.run(StepObjective::mean_of(first), lr);
    numbers.finite = outcome.finite;
    numbers.loss = outcome.loss;
    if (!outcome.finite && std::isfinite(outcome.loss)) numbers.grad_norm = NAN;
  }
  if (numbers.finite) {
    ++updates_done_;
    first.move_statistics_({});
  }
  ++steps_done_;
  return {numbers, first.weight, first.stop};
}

}  // namespace tessera
