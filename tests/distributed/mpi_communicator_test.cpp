// Run by mpirun with any number of ranks, each with this whole program; every rank runs the same
// tests, rank 0 reports, and the others speak up when theirs fail.
#include "distributed/comm/mpi_communicator.h"

#include <gtest/gtest.h>

#include "tests/distributed/communicator_suite.h"
#include "tests/support/mpi_tests.h"

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

}  // namespace
}  // namespace tessera::test

int main(int argc, char** argv) {
  return tessera::test::run_mpi_tests(argc, argv, tessera::test::environment);
}
