// How parameters follow their gradients: rules, which keep no state of their own.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/array.h"
#include "core/kernels/optimizer.h"

namespace tessera::optim {

// Where a parameter may be cut between those who update its slices.
enum class Cut {
  anywhere,        // every element by itself
  whole_parameter  // nowhere: one rank has all of it
};

// An array that a rule keeps for a parameter, zeros before the first step. A rule with
// Cut::anywhere has arrays of the parameter's shape only.
struct StateInfo {
  std::string name;  // how checkpoints call it
  Dims shape;
};

// Of a rule that trains a parameter at one point, which the parameter is during steps, and means it
// to be used at another, which is one of its states: that state has the parameter's shape and
// equals the parameter before the first step. Whoever evaluates exchanges the two, bit for bit, and
// exchanges them back.
struct EvaluationPoint {
  size_t state;         // which of states()
  std::string trained;  // how checkpoints, where the parameter is this point, call the trained one
};

// What is updated in place: with Cut::anywhere flat arrays of one length, an interval of a
// parameter's elements; with Cut::whole_parameter arrays of the parameter's shape and, of states,
// of their own.
struct Slice {
  Array param;
  Array grad;
  std::vector<Array> state;  // as states() lists them
};

// How, for all of a group.
struct UpdateStep {
  double lr = 0;
  double weight_decay = 0;
  int64_t step = 1;  // counted from 1; one that was skipped is none
  // Undefined, or a 0-d bool array on the device: where it is false, nothing may change. Given to
  // rules that heed it only.
  Array when = {};
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  virtual Cut cut() const = 0;
  // Of a parameter of that shape. An Error for one that the rule is not for.
  virtual std::vector<StateInfo> states(const Dims& shape) const = 0;
  // None: parameters are used as they are trained. One is had by rules with Cut::anywhere only.
  virtual std::optional<EvaluationPoint> evaluation_point() const { return {}; }
  // Its name and settings in words: what ranks compare before they train together.
  virtual std::string describe() const = 0;
  // Whether update() heeds UpdateStep::when; write_where helps. For the others the host waits,
  // before the update, until it knows.
  virtual bool heeds_when() const { return false; }
  // One step from grad * grad_scale, a 0-d f64 array. All arrays are of one dtype, f32 or f64.
  virtual void update(const Slice& slice, const Array& grad_scale,
                      const UpdateStep& step) const = 0;
};
using RulePtr = std::shared_ptr<const UpdateRule>;

// Calls write with arrays that it may write into as it likes: the given ones, or, where `when`
// (UpdateStep::when) is defined, copies, whose values the given ones take where it is true.
void write_where(const Array& when, const std::vector<Array>& arrays,
                 const std::function<void(const std::vector<Array>&)>& write);
// The same of a slice's param and states.
void write_slice_where(const Array& when, const Slice& slice,
                       const std::function<void(const Slice&)>& write);

// A formula of core/update_rules.inc: to add one takes that and a class like AdamWRule.
class ElementwiseRule : public UpdateRule {
 public:
  using Factors = std::array<double, UpdateArgs::kMaxFactors>;

  Cut cut() const final { return Cut::anywhere; }
  bool heeds_when() const final { return true; }
  std::vector<StateInfo> states(const Dims& shape) const final;
  void update(const Slice& slice, const Array& grad_scale, const UpdateStep& step) const final;

 protected:
  virtual std::string_view formula() const = 0;
  virtual std::vector<std::string> state_names() const = 0;
  // In the formula's order; the rest is 0.
  virtual Factors factors(const UpdateStep& step) const = 0;
};

}  // namespace tessera::optim
