// Optimizers: groups of parameters, each with a rule and its settings, and the rules' state.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "autograd/tensor.h"
#include "nn/module.h"
#include "nn/optim/closure_rule.h"

namespace tessera::optim {

// Parameters that share their settings.
struct ParamGroup {
  std::vector<Tensor> params = {};
  double weight_decay = 0;
  double lr_scale = 1;                  // times the rate of a step
  RulePtr rule = {};                    // none: the optimizer's
  std::vector<std::string> names = {};  // of params, as many of them; none: their numbers
};

// What step() does about gradients that, times their scale, are not finite: nothing at all, so that
// they reach the parameters; leaves everything as it is and returns false; or throws Error.
enum class NonFinite { take, skip, refuse };

// Owns groups, and the state of their rules for programs that call step() themselves; a TrainStep
// keeps the state of its own run.
class Optimizer {
 public:
  // The parameters are leaves, each listed once, names distinct. Frozen ones, which require no
  // gradient, are left alone for as long as they do not; one at least requires a gradient. Groups
  // without a rule get this one; an Error where there is none. A ClosureRule is the only rule of
  // all groups, and these have no weight decay and no lr_scale.
  explicit Optimizer(std::vector<ParamGroup> groups, const RulePtr& rule = {});
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;  // copies would share the state's arrays
  Optimizer& operator=(const Optimizer&) = delete;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(Optimizer&&) = default;

  const std::vector<ParamGroup>& groups() const { return groups_; }
  // Its rules in words: what ranks compare before they train together.
  std::string describe() const;

  // `take` unless set. Looking costs one more reading of the gradients.
  void on_nonfinite(NonFinite wanted) { on_nonfinite_ = wanted; }
  // One step of all parameters that have a gradient, with this optimizer's own state. Returns
  // whether it was taken.
  bool step(double lr);
  // The same with gradients scaled, as by clip_grad_norm.
  bool step(double lr, const Array& grad_scale);
  // One step with the gradients of loss(), which is a number: zero_grad, loss() and its backward,
  // and the update; of a ClosureRule as often as it asks, a parameter without a gradient counting
  // as zero, and where a loss or gradient is not finite, that step ends there, or throws Error with
  // NonFinite::refuse.
  ClosureOutcome step(double lr, const std::function<Tensor()>& loss);
  void zero_grad();

  // Makes parameters what they are to be used at, where their rules train them at another point
  // (EvaluationPoint), and train() makes them what they were, to the bit; neither does anything
  // where that is so. Until train(), steps and the state are refused.
  void eval();
  void train();

  // The state as tensors named "exp_avg/fc1.weight", and of each parameter the steps that updated
  // it, "step/fc1.weight", of i64. A parameter that was never updated has neither. Arrays share
  // memory with the state, as those of Module::state_dict do with the module.
  nn::StateDict state_dict() const;
  // Takes copies. An Error lists every name that is not this optimizer's, every parameter of which
  // only a part is there, and every wrong shape and dtype; then nothing has been changed. What
  // is not there at all is as before the first step.
  void load_state_dict(const nn::StateDict& state);

 private:
  struct State {
    std::vector<Array> arrays;
    int64_t steps = 0;  // that updated this parameter
  };
  // A parameter and what belongs to it, in the order of the groups.
  struct Item {
    std::string name;
    size_t group;
    Tensor param;
    std::vector<StateInfo> infos;
    State state = {};
  };

  class ClosureObjective;

  void check_closure_rule() const;
  void add_items(size_t group, std::unordered_set<std::string>& names);
  static State take_state(const Item& item, std::map<std::string, Array>& given,
                          std::vector<std::string>& wrong);
  std::string nonfinite(double lr, const Array& grad_scale) const;
  void make_state(Item& item) const;
  void update(Item& item, double lr, const Array& grad_scale);
  ClosureOutcome step_of(const ClosureRule& rule, double lr, const std::function<Tensor()>& loss);
  void exchange_points(const char* op);
  void check_trains(const char* op) const;

  std::vector<ParamGroup> groups_;
  std::vector<Item> items_;
  NonFinite on_nonfinite_ = NonFinite::take;
  bool evaluates_ = false;  // between eval() and train()
};

// The optimizer of one rule: AdamW optimizer({{model.parameters(), 0.01}}, {.beta2 = 0.95}).
template <class Rule>
class OptimizerOf final : public Optimizer {
 public:
  using Options = typename Rule::Options;
  OptimizerOf(std::vector<ParamGroup> groups, Options options)
      : Optimizer(std::move(groups), std::make_shared<Rule>(options)) {}
};

// Clips every element of the gradients, in place, to [-max_value, max_value]. A NaN stays one.
void clip_grad_value(const std::vector<Tensor>& params, double max_value);

// The factor min(1, max_norm / (norm + 1e-6)) as a 0-d f64 array on the gradients' device, norm
// being that of all gradients together; who wants that too, waits for it. The sum of squares runs
// over chunks of 256 elements in one tree.
Array clip_grad_norm(const std::vector<Tensor>& params, double max_norm, double* norm = nullptr);

}  // namespace tessera::optim
