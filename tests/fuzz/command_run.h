// Runs a case of the command's fuzzer, and judges what it left.
#pragma once

#include <string>

#include "tests/fuzz/command_cases.h"

namespace tessera::fuzz {

struct Outcome {
  int exit_code = -1;  // -1: ended by `signal`
  int signal = 0;
  bool timed_out = false;
  std::string out;  // as far as it was kept
  std::string err;
};

// Runs `program` in `folder` with the case's files, environment, outputs and signals.
Outcome run_case(const Case& test_case, const std::string& program, const std::string& folder);

// What is wrong with how it ended and what is in `folder`; empty: nothing.
std::string verdict(const Case& test_case, const Outcome& outcome, const std::string& program,
                    const std::string& folder);

}  // namespace tessera::fuzz
