// Tests that mpirun runs with any number of ranks, each with the whole program.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "distributed/comm/direct/mpi_communicator.h"

namespace tessera::test {

// Prints failures only, after the rank.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}

 private:
  void OnTestStart(const testing::TestInfo& test) override { test_ = test.name(); }
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fmt::print(stderr, "rank {}: {} {}:{}: {}\n", rank_, test_,
               result.file_name() ? result.file_name() : "", result.line_number(),
               result.summary());
  }

  int rank_;
  std::string test_;
};

// The main of such a program: every rank runs the same tests, rank 0 reports, the others speak up
// when theirs fail, and all of them fail then. `environment` is there while tests run.
inline int run_mpi_tests(int argc, char** argv, MpiEnvironment*& environment) {
  testing::InitGoogleTest(&argc, argv);
  bool share = std::getenv("TESSERA_TEST_MESSAGES_ONLY") == nullptr;
  MpiEnvironment mpi({.timeout = std::chrono::seconds(30), .share_memory = share});
  environment = &mpi;
  if (mpi.rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(mpi.rank()));
  }
  Array failed = Array::scalar(RUN_ALL_TESTS(), DType::i32);
  mpi.world()->all_reduce(failed, ReduceKind::max).wait();
  return failed.item<int32_t>();
}

}  // namespace tessera::test
