// Running statistics, as of batch norm: how they follow what forwards in training see.
#pragma once

#include <vector>

#include "core/array.h"

namespace tessera {

// What one forward saw.
struct Observation {
  Array running;        // the statistic (C,), a buffer of a module, or a counter of batches
  Array value;          // (C,): what it moves towards; undefined for a counter
  double momentum = 0;  // how far
  double count = 0;     // of values behind each element of `value`: its weight among others
};

// running = (1 - momentum) running + momentum value, at once, or later where an Observations lives.
// Nothing in a forward that runs again for a checkpoint: it has been observed.
void observe(const Observation& observation);
// The same for a counter, i64 and zero-dimensional: one more.
void observe_batch(const Array& counter);

// One more, without a look at it.
void count_up(const Array& counter);

// While one lives, running statistics stay as they are on this thread, and observations are listed
// in their order instead: leaves of a step, of which several make one observation.
class Observations {
 public:
  Observations();
  ~Observations();
  Observations(const Observations&) = delete;
  Observations& operator=(const Observations&) = delete;

  const std::vector<Observation>& list() const { return list_; }

 private:
  std::vector<Observation> list_;
  std::vector<Observation>* before_;
};

}  // namespace tessera
