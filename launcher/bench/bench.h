// `tessera bench`: measures, prints a table, and writes records.
#pragma once

#include <string>
#include <vector>

#include "launcher/bench/benchmark.h"

namespace tessera::bench {

struct BenchOptions {
  std::vector<std::string> names;  // as of select(); none: all
  bool list = false;               // print the names, measure nothing
  std::string json;                // where records go; empty: nowhere
  Settings settings;
};

// Returns the exit code: 1 where a benchmark failed, which keeps the others from nothing. What is
// wrong with the options, and a file that cannot be written, is found before anything runs
// (ConfigError). As one rank of an MPI job it measures the communication of that job alone, and
// rank 0 prints; then a failure ends the job.
int run_bench(const BenchOptions& options);

// What start.mpi_init_4 starts: initializes MPI, prints when that was done, in seconds since
// 1970, and ends.
int say_when_mpi_is_up();

}  // namespace tessera::bench
