// What the ranks of a test that mpirun runs print: rank 0 all, the others what fails.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

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

// After InitGoogleTest.
inline void print_failures_of(int rank) {
  if (rank == 0) return;
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new FailurePrinter(rank));
}

}  // namespace tessera::test
