// Steps that updated nothing, and what is told of them.
#pragma once

#include <cstdint>
#include <string>

#include "distributed/step_result.h"

namespace tessera::experiment {

// Ranks that hear of the same steps decide alike.
class SkippedSteps {
 public:
  // With a loss scale that adapts, as many halvings of what is far too high as f32 has room for.
  static constexpr int kMostInARow = 100;

  // After each step, in their order; waits for its numbers. Why it was skipped, in a line; empty:
  // it was not. `outlier` is the loop's reason for one that it left out. A SharedError where the
  // run cannot go on: a step was not finite, and losses are not scaled, so the next would not be
  // either; or kMostInARow of them were not finite though they are.
  std::string look(int64_t done, const StepResult& result, const std::string& outlier);

 private:
  int in_a_row_ = 0;  // that were not finite
};

}  // namespace tessera::experiment
