// The device without memory: arrays have a shape and a dtype, kernels do nothing but count. For
// plans, and for parameters whose values are made later.
#pragma once

#include "core/kernels.h"

namespace tessera::meta {

// Of all threads.
struct Stats {
  int64_t current_bytes = 0;  // what live arrays would take from the CPU's allocator
  int64_t peak_bytes = 0;     // the most of it since the last reset
  double flops = 0;           // of matrix products, convolutions and attention since the last reset
};
Stats stats();
void reset();

// Marks (Storage::mark_changed) an array whose values are made later (nn/module.h): filling it, or
// copying or drawing into it, is an error, for the values would be lost.
inline constexpr const char* kDeferred = "nn::DeferInit";

// Adds to current_bytes, or takes away; adds to flops.
void count(int64_t bytes);
void count_flops(double more);

// Kernels that would tell how many elements meet a condition throw Error; the others check nothing.
const Kernels& kernel_table();

}  // namespace tessera::meta
