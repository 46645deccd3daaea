// What a benchmark is, and how it is measured.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace tessera::bench {

struct Settings {
  // Small sizes, each measured once: shows that everything works, and nothing about speed.
  bool quick = false;
  // How often each benchmark is measured; 0: as often as it says itself.
  int repetitions = 0;
  // Where temporary files go.
  std::string folder = {};
};

// One measurement, in the benchmark's unit.
using Sample = std::function<double()>;

// What is measured, and a peer or a limit in the same unit that it is measured against.
struct Trial {
  Sample value;
  Sample reference = {};            // empty: none was found
  std::string reference_name = {};  // what the reference is
  // Whether both are run once before: the first run pays for fresh memory and for making kernels.
  bool warm_up = true;
};

// Medians of some repetitions. A spread is the distance between the quartiles over the median.
struct Measured {
  double value = 0;
  double spread = 0;
  std::optional<double> reference = {};
  double reference_spread = 0;
  std::string reference_name = {};
  int repetitions = 0;
};

// Why something cannot be measured here; no failure.
class NotHere : public Error {
 public:
  using Error::Error;
};

struct Benchmark {
  std::string name;  // FAMILY.RECORD
  std::string unit;
  std::string doc;  // a line
  // Checks the results of what it measures before it does. Throws NotHere, or Error.
  std::function<Measured(const Settings&)> measure;
};

// Whether more of it is better: of rates it is, of times and bytes it is not.
bool more_is_better(std::string_view unit);

// Takes the trial's samples, a reference before each value, so that both see the same machine.
// Throws Interrupted (interrupt.h) between two of them.
Measured in_turns(const Settings& settings, int repetitions, const Trial& trial);

double median(std::vector<double> values);

// Milliseconds that fn takes; `before` runs ahead of it, unmeasured.
Sample milliseconds_of(std::function<void()> fn, std::function<void()> before = {});
// `amount` over the seconds that fn takes.
Sample rate_of(double amount, std::function<void()> fn, std::function<void()> before = {});
double seconds_of(const std::function<void()>& fn);

}  // namespace tessera::bench
