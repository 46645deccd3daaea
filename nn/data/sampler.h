// The order of samples.
#pragma once

#include <cstdint>

namespace tessera::data {

// Sample order as a function of one global position: every epoch is a permutation of all samples,
// seeded by (seed, epoch). Any rank can ask for any position, and a run that goes on from a
// position repeats and skips nothing.
class Sampler {
 public:
  // size is at least 1.
  Sampler(uint64_t seed, int64_t size);
  int64_t index_at(int64_t position) const;

 private:
  uint64_t seed_;
  int64_t size_;
};

}  // namespace tessera::data
