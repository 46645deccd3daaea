// Tests that mpirun runs with any number of ranks, each with the whole program.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "distributed/comm/direct/mpi_communicator.h"
#include "tests/support/failure_printer.h"

namespace tessera::test {

// The main of such a program: every rank runs the same tests, rank 0 reports, the others speak up
// when theirs fail, and all of them fail then. `environment` is there while tests run.
inline int run_mpi_tests(int argc, char** argv, MpiEnvironment*& environment) {
  testing::InitGoogleTest(&argc, argv);
  bool share = std::getenv("TESSERA_TEST_MESSAGES_ONLY") == nullptr;
  CommOptions options{.timeout = std::chrono::seconds(30), .share_memory = share};
  if (std::getenv("TESSERA_TEST_CALL_ROUNDS")) options.direct_calls = 1;
  MpiEnvironment mpi(options);
  environment = &mpi;
  print_failures_of(mpi.rank());
  Array failed = Array::scalar(RUN_ALL_TESTS(), DType::i32);
  mpi.world()->all_reduce(failed, ReduceKind::max).wait();
  return failed.item<int32_t>();
}

}  // namespace tessera::test
