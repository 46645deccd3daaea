// Steps that ask for the loss themselves.
#include <cmath>

#include "autograd/context.h"
#include "core/kernels.h"
#include "core/kernels/reduce.h"
#include "nn/optim/optimizer.h"

namespace tessera::optim {
namespace {

Array in_one_row(const Array& x) { return x.view({x.numel()}); }

}  // namespace

// All parameters that require a gradient, in the order of the groups.
class Optimizer::ClosureObjective final : public Objective {
 public:
  ClosureObjective(Optimizer& optimizer, const std::function<Tensor()>& loss)
      : optimizer_(optimizer), loss_(loss) {
    for (Item& item : optimizer.items_) {
      if (!item.param.requires_grad()) continue;
      optimizer.make_state(item);
      Device device = item.param.device();
      TESSERA_CHECK(params_.empty() || params_[0].device() == device,
                    "[Optimizer] expected all parameters on one device, for the rule moves them at "
                    "once, got {} and {}",
                    to_string(params_[0].device()), to_string(device));
      items_.push_back(&item);
      params_.push_back(in_one_row(item.param.data()));
      states_.resize(item.infos.size());
      for (size_t i = 0; i < states_.size(); ++i) {
        states_[i].push_back(in_one_row(item.state.arrays[i]));
      }
    }
  }

  const Pieces& params() const override { return params_; }
  const std::vector<Pieces>& states() const override { return states_; }

  Value evaluate() override {
    EnableGrad enable_grad;
    optimizer_.zero_grad();
    Tensor loss = loss_();
    loss.backward();
    Value value{loss.item<double>()};
    for (const Item* item : items_) {
      const Tensor& grad = item->param.grad();
      const Array& param = item->param.data();
      value.gradient.push_back(grad.defined()
                                   ? in_one_row(grad.data().contiguous())
                                   : Array::zeros({param.numel()}, param.dtype(), param.device()));
    }
    return value;
  }

  void params_changed() override {
    for (const Array& param : params_) param.storage()->mark_changed("Optimizer::step");
  }
  void count_step() {
    for (Item* item : items_) ++item->state.steps;
  }

 private:
  double sum_of_chunks(const Array& chunks) override {
    Array sum = Array::empty({}, DType::f64, chunks.device());
    kernels(chunks.device()).reduce().tree_sum(chunks, sum);
    return sum.item<double>();
  }

  Optimizer& optimizer_;
  const std::function<Tensor()>& loss_;
  std::vector<Item*> items_;
  Pieces params_;
  std::vector<Pieces> states_;
};

void Optimizer::check_closure_rule() const {
  const ParamGroup* first = nullptr;
  bool any = false;
  for (const ParamGroup& group : groups_) {
    if (group.params.empty()) continue;
    if (!first) first = &group;
    any = any || closure_rule_of(group.rule);
    TESSERA_CHECK(!any || group.rule == first->rule,
                  "[Optimizer] expected one rule for all groups, for one moves all parameters at "
                  "once: {}",
                  describe());
    TESSERA_CHECK(!any || (group.weight_decay == 0 && group.lr_scale == 1),
                  "[Optimizer] expected no weight_decay and no lr_scale, for the rule moves all "
                  "parameters at once, got {} and {}",
                  group.weight_decay, group.lr_scale);
  }
}

ClosureOutcome Optimizer::step(double lr, const std::function<Tensor()>& loss) {
  check_trains("step");
  for (const ParamGroup& group : groups_) {
    const ClosureRule* rule = closure_rule_of(group.rule);
    if (rule && !group.params.empty()) return step_of(*rule, lr, loss);
  }
  zero_grad();
  Tensor value = loss();
  value.backward();
  bool taken = step(lr);
  double number = value.item<double>();
  return {.loss = number, .finite = taken && std::isfinite(number)};
}

ClosureOutcome Optimizer::step_of(const ClosureRule& rule, double lr,
                                  const std::function<Tensor()>& loss) {
  TESSERA_CHECK(std::isfinite(lr), "[Optimizer] the learning rate is {}; nothing was updated", lr);
  ClosureObjective objective(*this, loss);
  Objective::Value start = objective.evaluate();
  ClosureOutcome outcome{.loss = start.loss};
  outcome.finite = std::isfinite(start.loss) && std::isfinite(objective.max_abs(start.gradient));
  if (outcome.finite) {
    try {
      outcome = rule.step(objective, std::move(start), lr);
    } catch (...) {
      objective.params_changed();
      throw;
    }
    objective.count_step();
  }
  TESSERA_CHECK(outcome.finite || on_nonfinite_ != NonFinite::refuse,
                "[Optimizer] the loss is {} after {} evaluations of a step, or its gradient is not "
                "finite; the step ended before that",
                std::isnan(outcome.loss) ? NAN : outcome.loss, outcome.evaluations);
  return outcome;
}

}  // namespace tessera::optim
