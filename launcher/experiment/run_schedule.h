// The learning rates of a run.
#pragma once

#include <optional>
#include <string>

#include "launcher/experiment/components/components.h"

namespace tessera::experiment {

// What the config's schedule makes of the steps, and where it wants to know, of validation losses.
class RunSchedule {
 public:
  explicit RunSchedule(const Config& config);

  // ConfigErrors where the schedule follows validation losses and there are none: no evaluations
  // are asked for, or none that a step comes after, or no data are there for them.
  static void check(const Config& config);
  void check_data(const DataSets& data) const;

  // Of a step, counted from 0; of one with feedback only until the next evaluation.
  double lr_at(int64_t step) const;
  // The loss of the evaluation after so many steps.
  void observe(int64_t steps_done, double valid_loss);

  // A line of text for checkpoints, or nothing. restore takes the line where `text` begins with
  // one, and returns what is left.
  std::string state() const;
  std::string restore(const std::string& text);

 private:
  const ScheduleSection& section_;
  std::string name_;
  int64_t steps_;
  double lr_;
  std::optional<ScheduleSection::Feedback> feedback_;
};

// What a config says of a step, counted from 0; nothing where that takes evaluations.
std::optional<double> planned_lr(const Config& config, int64_t step);

}  // namespace tessera::experiment
