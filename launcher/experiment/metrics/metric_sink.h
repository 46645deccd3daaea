// What a training loop measures, and where that goes: a file, a terminal, what a program adds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "distributed/train_step.h"

namespace tessera::experiment {

struct Metric {
  std::string name;
  std::variant<bool, int64_t, double, std::string> value;
  bool is_share = false;  // of 1: people read it in percent
};

// What is known at one point of a training.
struct MetricRecord {
  enum class Kind {
    step,        // after a step
    evaluation,  // of the model after some step
    stopped,     // the loop ends before its last step, and can go on later
    final,       // the result
  };
  Kind kind = Kind::step;
  int64_t step = 0;  // steps done
  std::vector<Metric> metrics = {};

  // The number of that name; none where there is no such metric, or it is no number.
  std::optional<double> number(std::string_view name) const;
};

// Gets a loop's records, in the order in which they are made, from the thread that makes them. A
// loop calls it on the rank that speaks for all:
//
//   JsonlSink file("metrics.jsonl");
//   TerminalSink terminal({.steps = kSteps, .more = {"accuracy"}});
//   for (MetricSink* sink : {&file, &terminal}) sink->record(record);
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  // A record that cannot be written is lost, once it was told why: training goes on. Only a final
  // one may be an Error.
  virtual void record(const MetricRecord& record) = 0;
};

// The record of a step that took `seconds` for `units` of `unit` (samples, tokens): loss,
// grad_norm, lr, UNIT_per_second, step_ms, memory_bytes (the allocator's peak so far),
// since_start_s (from the start of the process); loss_scale, where losses are scaled; and skipped,
// true, of a step that updated nothing. The loop adds metrics of its own.
MetricRecord step_record(int64_t steps_done, const StepResult& result, double lr, double seconds,
                         int64_t units, const std::string& unit = "samples");

}  // namespace tessera::experiment
