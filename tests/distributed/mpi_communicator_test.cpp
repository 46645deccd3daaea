// Run by mpirun with any number of ranks, each with this whole program; every rank runs the same
// tests, rank 0 reports, and the others speak up when theirs fail.
#include "distributed/comm/mpi_communicator.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/distributed/communicator_suite.h"

namespace tessera::test {
namespace {

MpiEnvironment* environment = nullptr;  // of main

using Param = std::tuple<CommunicatorCase, CaseMemory>;
class MpiCommunicator : public testing::TestWithParam<Param> {};

TEST_P(MpiCommunicator, Behaves) {
  auto comm = environment->world();
  auto [behaviour, memory] = GetParam();
  try {
    run_case(behaviour, *comm, memory);
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
    comm->abort(error.what());
  }
}

std::string name_of(const testing::TestParamInfo<Param>& param) {
  auto [behaviour, memory] = param.param;
  const char* where = memory == CaseMemory::ordinary ? "ordinary"
                      : memory == CaseMemory::shared ? "shared"
                                                     : "mixed";
  return fmt::format("{}_{}", behaviour.name, where);
}

INSTANTIATE_TEST_SUITE_P(
    Suite, MpiCommunicator,
    testing::Combine(testing::ValuesIn(communicator_cases().begin(), communicator_cases().end()),
                     testing::Values(CaseMemory::ordinary, CaseMemory::shared, CaseMemory::mixed)),
    name_of);

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
  bool share = std::getenv("TESSERA_TEST_MESSAGES_ONLY") == nullptr;
  MpiEnvironment mpi({.timeout = std::chrono::seconds(30), .share_memory = share});
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
