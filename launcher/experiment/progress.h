// What a person sees while a run goes on.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace tessera::experiment {

struct StepReport {
  int64_t step = 0;  // steps done
  int64_t steps = 0;
  double loss = 0;
  double grad_norm = 0;
  double lr = 0;
  double units_per_second = 0;
};

// A line that is overwritten at every step on a terminal; plain lines, one every `every` steps and
// the last, elsewhere. A silent one prints nothing: all ranks but one, and one whose output cannot
// be written any more.
class Progress {
 public:
  Progress(bool silent, int64_t every, std::string unit);
  void report(const StepReport& report);
  // A line of its own.
  void say(const std::string& line);

 private:
  void print(const std::string& text);

  bool silent_;
  bool terminal_;
  int64_t every_;
  std::string unit_;
  bool line_open_ = false;
};

}  // namespace tessera::experiment
