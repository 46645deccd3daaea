// Run by mpirun with any number of ranks, each with this whole program; every rank runs the same
// tests, rank 0 reports, and the others speak up when theirs fail.
#include "distributed/comm/direct/mpi_communicator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/distributed/comm/communicator_suite.h"
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

// Without shared memory, as between nodes: MPI alone would leave the sender's part undone.
TEST(MpiCommunicator, MessagesTravelWhileNobodyCalls) {
  if (!std::getenv("TESSERA_TEST_MESSAGES_ONLY") || environment->size() < 2) {
    GTEST_SKIP() << "ranks of one node move on inside calls";
  }
  auto comm = environment->world();
  Array process = Array::from(std::vector<int64_t>{getpid()}, {1});
  comm->broadcast(process, 0).wait();
  std::string arrived =
      fmt::format("{}/tessera-arrived-{}", testing::TempDir(), process.item<int64_t>());
  Array array = Array::full({8 << 20}, comm->rank() + 1.0);
  if (comm->rank() == 0) {
    Work work = comm->send(array, 1);
    auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool there = false;
    while (!there && std::chrono::steady_clock::now() < give_up) {
      there = std::filesystem::exists(arrived);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_TRUE(there) << "the message did not travel by itself";
    work.wait();
    std::filesystem::remove(arrived);
  } else if (comm->rank() == 1) {
    comm->recv(array, 0).wait();
    EXPECT_EQ(array.to_vector<float>().back(), 1);
    std::ofstream(arrived) << "1";
  }
  comm->barrier().wait();
}

}  // namespace
}  // namespace tessera::test

int main(int argc, char** argv) {
  return tessera::test::run_mpi_tests(argc, argv, tessera::test::environment);
}
