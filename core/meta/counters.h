// What the device without memory counts.
#pragma once

#include <cstdint>

namespace tessera::meta {

// Of all threads.
struct Stats {
  int64_t current_bytes = 0;  // what live arrays would take from the CPU's allocator
  int64_t peak_bytes = 0;     // the most of it since the last reset
  double flops = 0;           // of matrix products, convolutions and attention since the last reset
};
Stats stats();
void reset();

// For the device: adds to Stats::current_bytes, or takes away; adds to Stats::flops.
void count(int64_t bytes);
void count_flops(double more);
// Without the flops.
void reset_peak();

}  // namespace tessera::meta
