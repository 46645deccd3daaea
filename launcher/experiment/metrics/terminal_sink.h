// What a person sees while a training goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/experiment/metrics/metric_sink.h"

namespace tessera::experiment {

struct TerminalOptions {
  int64_t steps = 0;                   // that the loop will have; 0: not known
  int64_t every = 10;                  // steps from one line to the next, where it is no terminal
  bool silent = false;                 // prints nothing, as on all ranks but one
  std::vector<std::string> more = {};  // metrics of a step that are shown besides the usual ones
};

// A line that is overwritten at every step on a terminal; plain lines, of the first step, one every
// `every` steps and of the last, elsewhere. Of a step: loss, grad_norm, lr, UNIT_per_second and
// `more`, as far as the record has them; of an evaluation everything; of other records nothing.
// Where standard output cannot be written any more, that is told, and nothing more is printed.
class TerminalSink final : public MetricSink {
 public:
  // An Error where options.every is not at least 1.
  explicit TerminalSink(TerminalOptions options);
  void record(const MetricRecord& record) override;
  // A line of its own.
  void say(const std::string& line);

 private:
  void show_step(const MetricRecord& record);
  std::string step_line(const MetricRecord& record) const;
  void print(const std::string& text);

  TerminalOptions options_;
  bool terminal_;
  bool line_open_ = false;
};

// "validation loss 0.2411, accuracy 91.52%" for valid_loss and valid_accuracy, a share; others have
// their names.
std::string evaluation_in_words(const std::vector<Metric>& metrics);

// "2.3026", from 1e9 on "1.0142e+304"; or "nan", whose sign says nothing.
std::string loss_in_words(double loss);

}  // namespace tessera::experiment
