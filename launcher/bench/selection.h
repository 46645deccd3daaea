// Which benchmarks a command line names.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "launcher/bench/benchmark.h"

namespace tessera::bench {

// Those of `all` that one of the names means, in their order: a whole name, or the beginning of
// some up to a dot ("ops", "ops.matmul"). All of them without names. A ConfigError, with the
// nearest name, where one means none.
std::vector<Benchmark> select(std::vector<Benchmark> all, std::span<const std::string> names);

}  // namespace tessera::bench
