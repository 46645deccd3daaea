// The tessera command under test. The build defines TESSERA_BINARY, TESSERA_SOURCE_DIR and MPIRUN.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/error_of.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace tessera::test {

using Words = std::vector<std::string>;

inline const std::string kSourceDir = TESSERA_SOURCE_DIR;
inline const std::string kQuickstart = kSourceDir + "/configs/quickstart.yaml";

// A language model so small that a step takes no time, with two leaves.
inline const Words kTinyModel{"model.layers=1",   "model.heads=1",      "model.width=16",
                              "model.context=16", "data.micro_batch=1", "data.leaves=2",
                              "run.steps=2",      "run.eval_batches=1"};

inline Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// Runs in the source folder, where the data are.
inline Command in_source_dir(Words argv) { return {.argv = std::move(argv), .cwd = kSourceDir}; }

inline Command tessera(const Words& arguments) {
  return in_source_dir(Words{TESSERA_BINARY} + arguments);
}

// A program and its arguments as one MPI job.
inline Command mpirun_program(int ranks, const Words& program) {
  Command command =
      in_source_dir(Words{MPIRUN, "--bind-to", "none", "-np", std::to_string(ranks)} + program);
  command.env["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
  command.env["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
  command.env["OMPI_MCA_rmaps_base_oversubscribe"] = "1";
  command.env["PRTE_MCA_rmaps_default_mapping_policy"] = ":oversubscribe";  // Open MPI 5
  // No TCP between ranks of one node: where interfaces come and go, Open MPI 5 complains of it.
  command.env["OMPI_MCA_btl"] = "self,vader";
  return command;
}

inline Command mpirun(int ranks, const Words& arguments) {
  return mpirun_program(ranks, Words{TESSERA_BINARY} + arguments);
}

// A program for each rank. One command line for all: at a second one, after ":", mpirun of Open
// MPI 5.0.7 crashes.
inline Command mpirun_each(const std::vector<Words>& programs) {
  std::string script = "case $OMPI_COMM_WORLD_RANK in";
  for (size_t rank = 0; rank < programs.size(); ++rank) {
    script += fmt::format(" {}) exec", rank);
    for (const std::string& word : programs[rank]) script += " '" + word + "'";
    script += ";;";
  }
  return mpirun_program(static_cast<int>(programs.size()), {"sh", "-c", script + " esac"});
}

inline Words lines_of(const std::string& text) {
  Words lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The errors that tessera printed; mpirun has a lot to say besides.
inline Words errors_of(const Outcome& outcome) {
  Words errors;
  for (const std::string& line : lines_of(outcome.err)) {
    if (line.starts_with("tessera: ")) errors.push_back(line);
  }
  return errors;
}

// The rest of the last line of standard output that begins with `word`; "" if there is none.
inline std::string printed(const Outcome& outcome, const std::string& word) {
  std::string found;
  for (const std::string& line : lines_of(outcome.out)) {
    if (line.starts_with(word + " ")) found = line.substr(word.size() + 1);
  }
  return found;
}

// What a reader of a failed test wants to know of a command.
inline std::string describe(const Outcome& outcome) {
  std::ostringstream text;
  text << (outcome.timed_out ? "timed out" : "ended") << " after " << outcome.seconds
       << " s with exit code " << outcome.exit_code << ", signal " << outcome.signal
       << "\nstdout:\n"
       << outcome.out << "stderr:\n"
       << outcome.err;
  return text.str();
}

inline testing::AssertionResult succeeded(const Outcome& outcome) {
  if (!outcome.timed_out && outcome.exit_code == 0 && outcome.err.empty() &&
      outcome.num_left == 0) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << describe(outcome);
}

// Ended by itself with that exit code, one error with all of `parts` in it, and nothing left.
inline testing::AssertionResult failed(const Outcome& outcome, int exit_code, const Words& parts) {
  Words errors = errors_of(outcome);
  bool right = !outcome.timed_out && outcome.exit_code == exit_code && outcome.num_left == 0 &&
               errors.size() == 1;
  for (const std::string& part : parts) {
    right = right && errors[0].find(part) != std::string::npos;
  }
  if (right) return testing::AssertionSuccess();
  auto failure = testing::AssertionFailure()
                 << "expected exit code " << exit_code << " and one error with";
  for (const std::string& part : parts) failure << " \"" << part << '"';
  return failure << "; the command " << describe(outcome);
}

}  // namespace tessera::test
