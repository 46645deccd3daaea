// What a benchmark has given, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "launcher/bench/benchmark.h"

namespace tessera::bench {

struct Record {
  std::string name;
  std::string unit;
  std::optional<Measured> measured = {};
  std::string skipped = {};  // why nothing was measured; empty where something was, or it failed
  std::string error = {};    // what failed
};

// {"name", "value", "unit", "reference", "ratio", "better", "repetitions", "spread"} and, where
// there is a reference, {"reference_name", "reference_spread"}. Without a measurement value,
// reference and ratio are null, and "skipped" or "error" says why. docs/benchmarks.md has it in
// words.
nlohmann::json to_json(const Record& record);
// What to_json made of a measurement; an Error where it is something else.
Measured measured_from_json(const nlohmann::json& record);

// The records with what they belong to: {"schema", "build", "instructions", "cores", "threads",
// "quick", "records"}.
nlohmann::json to_json(const std::vector<Record>& records, const Settings& settings);

// A row of the table, and the row above the first.
std::string table_head();
std::string table_row(const Record& record);

}  // namespace tessera::bench
