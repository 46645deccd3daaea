// Command lines made of seeds by chance: arguments, YAML, environment, signals and outputs.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace tessera::fuzz {

// What the command finds in its folder, made once for all cases.
struct Seeds {
  std::string folder;  // has text.txt, base.yaml, run/ (trained), m.safetensors, m.npz, a.npy, ...
};

// What becomes of a stream that the command writes.
enum class Output { kept, full, closed, reader_leaves };

struct Case {
  uint64_t seed = 0;
  uint64_t index = 0;
  std::vector<std::string> arguments;                             // after the program's name
  std::string yaml;                                               // of case.yaml
  std::map<std::string, std::optional<std::string>> environment;  // null: not set
  Output out = Output::kept;
  Output err = Output::kept;
  // Sent to the command, so many milliseconds after its start.
  std::vector<std::pair<std::chrono::milliseconds, int>> signals;
};

// The same case for the same two numbers.
Case make_case(uint64_t seed, uint64_t index);

// As a shell would take it, all of it: for the report of a failure.
std::string shell_line(const Case& test_case, const std::string& program);

}  // namespace tessera::fuzz
