// `tessera launch` under test. The build defines TESSERA_PLAIN_MPI besides what tessera_command.h
// needs.
#pragma once

#include <filesystem>
#include <string>

#include "tests/integration/tessera_command.h"

namespace tessera::test {

inline const Words kNoBind{"launch", "--no-bind"};

// Tests run side by side, so no rank gets cores of its own.
inline Command launch(const Words& flags, const Words& program) {
  return tessera(kNoBind + flags + Words{"--"} + program);
}

inline Words train_words(const std::string& run_dir, const Words& more = {}) {
  return Words{TESSERA_BINARY, "train", kQuickstart, "run.dir=" + run_dir} + kTinyModel + more;
}

// The last value of a word that some rank printed, prefixed or not; "" if there is none.
inline std::string said(const Outcome& outcome, const std::string& word) {
  std::string found;
  for (const std::string& line : lines_of(outcome.out)) {
    size_t at = line.starts_with('[') ? line.find("] ") + 2 : 0;
    if (line.compare(at, word.size() + 1, word + " ") == 0)
      found = line.substr(at + word.size() + 1);
  }
  return found;
}

// Waits until the metrics of a run grow by some steps: its ranks are at work, and stop when asked
// to.
inline bool makes_steps(const std::string& run_dir) {
  std::string path = run_dir + "/metrics.jsonl";
  auto size = [&] { return std::filesystem::exists(path) ? std::filesystem::file_size(path) : 0; };
  uintmax_t before = size();
  return eventually(std::chrono::seconds(20), [&] { return size() > before + 1000; });
}

inline testing::AssertionResult ended_with(const Outcome& outcome, int code) {
  if (!outcome.timed_out && outcome.exit_code == code && outcome.num_left == 0) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << "expected exit code " << code << "; the command " << describe(outcome);
}

}  // namespace tessera::test
