// Rules that move all parameters of a model at once and, within one step, ask for the loss at
// several points.
#pragma once

#include <vector>

#include "nn/optim/update_rule.h"

namespace tessera::optim {

// A vector of one number for each element of all trained parameters, or as far as this process has
// it: flat arrays, f32 or f64, in an order of the owner's.
using Pieces = std::vector<Array>;

// What is minimized, as a ClosureRule sees it. Every number that it gives is the same on all ranks;
// all but params() and states() are collectives.
class Objective {
 public:
  virtual ~Objective() = default;

  // The parameters, and the states that the rule lists, which it changes in place.
  virtual const Pieces& params() const = 0;
  virtual const std::vector<Pieces>& states() const = 0;
  struct Value {
    double loss = 0;
    Pieces gradient = {};  // the caller's
  };
  // At the parameters as they are, with the same data and random numbers for all of a step.
  virtual Value evaluate() = 0;
  // To be called when params() have been changed; but not where that put them back after what
  // evaluate() threw, for other ranks may not come there: the owner sees to it.
  virtual void params_changed() = 0;

  // Sums run, in f64, over chunks of 256 elements of a parameter in one tree, however parameters
  // are cut.
  double dot(const Pieces& a, const Pieces& b);
  double sum_abs(const Pieces& x);
  // The largest size of an element; a NaN where there is one.
  double max_abs(const Pieces& x);

 protected:
  // Of the numbers of this process's chunks, f64, in the order of params(): of each of its arrays
  // ceil(elements / 256).
  virtual double sum_of_chunks(const Array& chunks) = 0;
  virtual double max_of_ranks(double own) { return own; }

 private:
  // One number of each chunk: write puts x's elements, begin to end, of a piece into an f64 array.
  template <class Write>
  double sum_over_chunks(const Pieces& x, const Write& write);
};

// How a step ended.
struct ClosureOutcome {
  double loss = 0;      // where the step began; or the loss that was not finite
  int evaluations = 1;  // in all
  // Of a ClosureRule: whether all losses and gradients were; the parameters are at the last point
  // where they were. Of another rule: whether the loss was, and the step was taken.
  bool finite = true;
};

// Optimizer::step(lr, closure) and TrainStep::run take steps of it. It is the only rule of its
// optimizer, which has no weight decay and no scales of rates.
class ClosureRule : public UpdateRule {
 public:
  Cut cut() const final { return Cut::anywhere; }
  // An Error: an update by itself is none.
  void update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const final;

  // One step. `start` is the objective at its parameters; both are finite. What evaluate() throws
  // is passed on, with params() as they were at the last point that was taken.
  virtual ClosureOutcome step(Objective& objective, Objective::Value start, double lr) const = 0;
  // How often it may ask in a step, the start among them.
  virtual int64_t most_evaluations() const = 0;

 protected:
  virtual const char* name() const = 0;  // for messages
};

// The one of an optimizer's groups, if they have one.
const ClosureRule* closure_rule_of(const RulePtr& rule);

}  // namespace tessera::optim
