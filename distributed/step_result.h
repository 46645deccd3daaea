// What a training step gives.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/backend.h"

namespace tessera {

struct StepNumbers {
  double loss = 0;        // mean over the global batch
  double grad_norm = 0;   // before clipping of any kind
  bool finite = true;     // false: a loss or gradient was NaN or infinite, and nothing was updated
  bool left_out = false;  // by the loop, of its own accord: nothing was updated
};

// The numbers of a step that may be under way on a device. For one thread at a time.
class LateNumbers {
 public:
  // A row of f64: the loss, the gradient's norm, whether the step updates, and whether it does
  // where both are finite: nothing was wrong with the content of an array.
  static constexpr int64_t kRow = 4;

  // `row` has kRow numbers of step number `step`, on their way from the device.
  LateNumbers(Backend& device, LateRead row, int64_t step)
      : device_(device), row_(std::move(row)), step_(step) {}

  // Whether get() need not wait.
  bool ready() const { return read_ || failed() || device_.is_done(row_.event); }
  // Whether get() has thrown.
  bool failed() const { return !error_.empty(); }
  // Waits the first time. Throws, every time, what was found on the device to be wrong with the
  // step, which updated nothing then.
  const StepNumbers& get();

 private:
  void read();

  Backend& device_;
  LateRead row_;
  int64_t step_;
  bool read_ = false;
  StepNumbers numbers_;
  std::string error_;
};

// Where the step's device is one that the host cannot read, the step may still be under way: who
// asks for its numbers waits, and hears of what was found there to be wrong with the step. What
// they mean stands at StepNumbers. For one thread at a time, that of the step.
class StepResult {
 public:
  StepResult() = default;
  StepResult(const StepNumbers& numbers, double weight, bool stop = false,
             std::optional<double> loss_scale = {})
      : numbers_(numbers), weight_(weight), stop_(stop), loss_scale_(loss_scale) {}
  StepResult(std::shared_ptr<LateNumbers> late, double weight, bool stop,
             std::optional<double> loss_scale = {})
      : late_(std::move(late)), weight_(weight), stop_(stop), loss_scale_(loss_scale) {}

  double loss() const { return numbers().loss; }
  double grad_norm() const { return numbers().grad_norm; }
  bool finite() const { return numbers().finite; }
  // Whether it updated nothing: the schedule and the data go on, and the optimizer counts no step.
  bool skipped() const { return !numbers().finite || numbers().left_out; }
  // Whether these four are there; on the CPU they are.
  bool ready() const { return !late_ || late_->ready(); }

  // Known at once: the samples or tokens of the global batch, and whether some rank asked to stop.
  double weight() const { return weight_; }
  bool stop() const { return stop_; }
  // What its loss was scaled by (LossScale); none where losses are not scaled.
  std::optional<double> loss_scale() const { return loss_scale_; }

 private:
  const StepNumbers& numbers() const { return late_ ? late_->get() : numbers_; }

  StepNumbers numbers_;
  std::shared_ptr<LateNumbers> late_;
  double weight_ = 0;
  bool stop_ = false;
  std::optional<double> loss_scale_;
};

}  // namespace tessera
