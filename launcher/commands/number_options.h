// What numbers on the command line may be: CLI11's own checks take "-1" for an unsigned number, and
// let NaN pass every range.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

namespace tessera::commands {

// A whole number in digits from lowest to highest.
CLI::Validator integer(int64_t lowest, uint64_t highest);

// A finite number from lowest to highest.
CLI::Validator number(double lowest, double highest);

}  // namespace tessera::commands
