// The collectives that are measured, and what measuring one takes.
#pragma once

#include <span>
#include <string>

#include "core/array.h"

namespace tessera::bench {

enum class Collective { all_reduce, reduce_scatter, all_gather };

struct CommCase {
  Collective what;
  int64_t bytes;  // of a rank's whole array
};

// Small ones for latency, large ones for bandwidth.
std::span<const CommCase> comm_cases();

// "all_reduce.2x64MiB"
std::string name_of(const CommCase& one, int num_ranks);

// In f32; smaller in quick runs.
int64_t num_elements(const CommCase& one, bool quick);
// How many calls are timed together.
int calls_of(const CommCase& one, bool quick);

// Small whole numbers, other ones on each rank: sums are exact in any order.
void fill(const Array& array, int rank);
// An Error where an array is not the sum of those of all ranks from element `first` on.
void check_sum(const Array& array, int64_t first, int num_ranks);

}  // namespace tessera::bench
