// Run by mpirun with any number of ranks, each with this whole program; every rank runs the same
// tests, rank 0 reports, and the others speak up when theirs fail.
#include "distributed/comm/mpi_communicator.h"

#include <gtest/gtest.h>

#include "tests/distributed/communicator_suite.h"

namespace tessera::test {
namespace {

MpiEnvironment* environment = nullptr;  // of main

class MpiCommunicator : public testing::TestWithParam<CommunicatorCase> {};

TEST_P(MpiCommunicator, Behaves) {
  auto comm = environment->world();
  try {
    GetParam().run(*comm);
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
    comm->abort(error.what());
  }
}

INSTANTIATE_TEST_SUITE_P(Suite, MpiCommunicator,
                         testing::ValuesIn(communicator_cases().begin(),
                                           communicator_cases().end()),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(MpiEnvironment, KnowsItsJob) {
  EXPECT_TRUE(launched_by_mpi());
  EXPECT_EQ(environment->world()->size(), environment->size());
  EXPECT_THROW(MpiEnvironment(), Error);  // one in a process
}

// Prints failures only, after the rank.
class FailurePrinter : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& test) override { test_ = test.name(); }
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    fmt::print(stderr, "rank {}: {} {}:{}: {}\n", environment->rank(), test_,
               result.file_name() ? result.file_name() : "", result.line_number(),
               result.summary());
  }

  std::string test_;
};

int run(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  MpiEnvironment mpi({.timeout = std::chrono::seconds(30)});
  environment = &mpi;
  if (mpi.rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);
  }
  Array failed = Array::scalar(RUN_ALL_TESTS(), DType::i32);
  mpi.world()->all_reduce(failed, ReduceKind::max).wait();
  return failed.item<int32_t>();
}

}  // namespace
}  // namespace tessera::test

int main(int argc, char** argv) { return tessera::test::run(argc, argv); }
