#include "launcher/experiment/run_schedule.h"

#include <algorithm>

namespace tessera::experiment {
namespace {

// What a line of state begins with.
constexpr std::string_view kLine = "plateau ";

std::optional<ScheduleSection::Feedback> feedback_of(const Config& config) {
  return config.schedule.as<ScheduleSection>().feedback(config.optim.as<OptimSection>().lr);
}

}  // namespace

RunSchedule::RunSchedule(const Config& config)
    : section_(config.schedule.as<ScheduleSection>()),
      name_(config.schedule.name),
      steps_(config.run.steps),
      lr_(config.optim.as<OptimSection>().lr),
      feedback_(feedback_of(config)) {}

void RunSchedule::check(const Config& config) {
  auto feedback = feedback_of(config);
  if (!feedback) return;
  int64_t every = config.run.eval_every;
  if (every == 0) {
    throw ConfigError(fmt::format(
        "schedule.name: {} follows the validation loss, and no evaluations are asked for: "
        "run.eval_every says how many steps apart they are",
        config.schedule.name));
  }
  // The last evaluation that a step comes after.
  int64_t last = (config.run.steps - 1) / every * every;
  if (last > 0 && last >= feedback->first_step) return;
  throw ConfigError(fmt::format(
      "schedule.name: {} follows evaluations after step {} and later, and with "
      "run.eval_every: {} there is none before the last of run.steps: {}",
      config.schedule.name, std::max(feedback->first_step, every), every, config.run.steps));
}

void RunSchedule::check_data(const DataSets& data) const {
  if (data.valid || !feedback_) return;
  throw ConfigError(fmt::format(
      "schedule.name: {} follows the validation loss, and there are no data to validate on",
      name_));
}

double RunSchedule::lr_at(int64_t step) const {
  return section_.lr_at(step, steps_, feedback_ ? feedback_->schedule.rate() : lr_);
}

void RunSchedule::observe(int64_t steps_done, double valid_loss) {
  if (!feedback_ || steps_done < feedback_->first_step) return;
  feedback_->schedule.observe(valid_loss);
}

std::string RunSchedule::state() const {
  return feedback_ ? fmt::format("{}{}\n", kLine, feedback_->schedule.state()) : "";
}

std::string RunSchedule::restore(const std::string& text) {
  if (!text.starts_with(kLine)) return text;
  size_t end = text.find('\n');
  if (feedback_) feedback_->schedule.restore(text.substr(kLine.size(), end - kLine.size()));
  return end == std::string::npos ? "" : text.substr(end + 1);
}

std::optional<double> planned_lr(const Config& config, int64_t step) {
  if (feedback_of(config)) return std::nullopt;
  return config.schedule.as<ScheduleSection>().lr_at(step, config.run.steps,
                                                     config.optim.as<OptimSection>().lr);
}

}  // namespace tessera::experiment
