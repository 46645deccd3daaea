// LBFGS.
#pragma once

#include <array>
#include <optional>

#include "core/words.h"
#include "nn/optim/closure_rule.h"
#include "nn/optim/optimizer.h"

namespace tessera::optim {

// How far an iteration goes along its direction.
enum class LineSearch {
  none,         // the rate of the step, whatever becomes of the loss
  strong_wolfe  // until the loss and its slope have fallen enough; the rate is where it begins
};
constexpr auto words_of(LineSearch) {
  return std::array{Word{LineSearch::none, "none"}, Word{LineSearch::strong_wolfe, "strong_wolfe"}};
}

// Steps along the gradient times an inverse of the Hessian that is known from the last `history`
// steps and gradients (Liu and Nocedal 1989), as torch.optim.LBFGS has it, and its line search
// (Nocedal and Wright 2006, algorithms 3.5 and 3.6). All parameters are one vector; a step is up to
// max_iter iterations, each of which asks for the loss and its gradient again: it should be the
// same function all along, without chance and of all data if they are few. Gradients are taken as
// they are, neither clipped nor decayed.
//
// The search of an iteration has the evaluations that are left of max_eval and, as in torch since
// 2.10, one more; with one or two it may find no way down, and then stays.
//
// History is state: two arrays for each of its steps and two more, "s.K" and "y.K" from the oldest
// on, "last_step" and "last_grad". What else there is follows from them. Dot products are sums in
// f64.
class LbfgsRule final : public ClosureRule {
 public:
  struct Options {
    int64_t max_iter = 20;                 // of a step
    std::optional<int64_t> max_eval = {};  // of a step, with its searches; none: max_iter * 5 / 4
    double tolerance_grad = 1e-7;          // no element of the gradient is larger: it is done
    double tolerance_change = 1e-9;        // likewise of a step's elements, and of the loss
    int64_t history_size = 100;
    LineSearch line_search = LineSearch::none;
  };
  explicit LbfgsRule(Options options);

  std::vector<StateInfo> states(const Dims& shape) const override;
  std::string describe() const override;
  ClosureOutcome step(Objective& objective, Objective::Value start, double lr) const override;
  int64_t most_evaluations() const override;

 protected:
  const char* name() const override { return "Lbfgs"; }

 private:
  int64_t max_eval() const { return options_.max_eval.value_or(options_.max_iter * 5 / 4); }

  Options options_;
};

using Lbfgs = OptimizerOf<LbfgsRule>;

}  // namespace tessera::optim
