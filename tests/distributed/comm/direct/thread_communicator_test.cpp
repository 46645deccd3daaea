#include "distributed/comm/direct/thread_communicator.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/distributed/comm/communicator_suite.h"

namespace tessera::test {
namespace {

// fn(communicator) on every rank of a group, each in its own thread.
template <class F>
void run_ranks(int num_ranks, F&& fn, int direct_calls = CommOptions().direct_calls) {
  auto group = ThreadGroup::make(
      num_ranks, {.timeout = std::chrono::seconds(30), .direct_calls = direct_calls});
  std::vector<std::thread> threads;
  for (int r = 0; r < num_ranks; ++r) {
    threads.emplace_back([&, r] {
      auto comm = group->rank(r);
      try {
        fn(*comm);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
        comm->abort(error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

using Param = std::tuple<CommunicatorCase, int>;
class ThreadCommunicator : public testing::TestWithParam<Param> {};

TEST_P(ThreadCommunicator, Behaves) {
  auto [behaviour, num_ranks] = GetParam();
  run_ranks(num_ranks, behaviour.run);
}

INSTANTIATE_TEST_SUITE_P(Suite, ThreadCommunicator,
                         testing::Combine(testing::ValuesIn(communicator_cases().begin(),
                                                            communicator_cases().end()),
                                          testing::Values(1, 2, 3, 4, 8)),
                         [](const testing::TestParamInfo<Param>& param) {
                           return fmt::format("{}_{}", std::get<0>(param.param).name,
                                              std::get<1>(param.param));
                         });

// As many ranks do, which compare their calls in rounds.
class CallsInRounds : public testing::TestWithParam<Param> {};

TEST_P(CallsInRounds, Behave) {
  auto [behaviour, num_ranks] = GetParam();
  run_ranks(num_ranks, behaviour.run, 1);
}

INSTANTIATE_TEST_SUITE_P(Suite, CallsInRounds,
                         testing::Combine(testing::ValuesIn(communicator_cases().begin(),
                                                            communicator_cases().end()),
                                          testing::Values(2, 3, 6)),
                         [](const testing::TestParamInfo<Param>& param) {
                           return fmt::format("{}_{}", std::get<0>(param.param).name,
                                              std::get<1>(param.param));
                         });

TEST(ThreadGroup, RankThatLeftFailsWaitersAtOnce) {
  auto start = std::chrono::steady_clock::now();
  run_ranks(3, [](Communicator& comm) {
    if (comm.rank() == 1) return;
    EXPECT_THROW(comm.barrier().wait(), CommError);
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(ThreadGroup, CommunicatorsOfOneRankDoNotMeet) {
  auto group = ThreadGroup::make(2, {.timeout = std::chrono::seconds(30)});
  auto run = [&](int rank) {
    auto comm = group->rank(rank);
    auto second = group->rank(rank);
    Array a = Array::full({3}, 1);
    Array b = Array::full({3}, 10);
    // Started in opposite order on the two ranks.
    Work wa;
    if (rank == 0) wa = comm->all_reduce(a);
    Work wb = second->all_reduce(b);
    if (rank == 1) wa = comm->all_reduce(a);
    wa.wait();
    wb.wait();
    EXPECT_EQ(a.to_vector<float>(), std::vector<float>(3, 2));
    EXPECT_EQ(b.to_vector<float>(), std::vector<float>(3, 20));
  };
  std::thread other(run, 1);
  run(0);
  other.join();
}

TEST(ThreadGroup, WorkOutlivesCommunicator) {
  auto comm = make_self_communicator();
  Array array = Array::full({3}, 2);
  Work work = comm->all_reduce(array);
  comm.reset();
  work.wait();
  EXPECT_EQ(array.to_vector<float>(), std::vector<float>(3, 2));
}

TEST(ThreadGroup, RefusesBadRanks) {
  EXPECT_THROW(ThreadGroup::make(0), Error);
  EXPECT_THROW(ThreadGroup::make(2)->rank(2), Error);
}

}  // namespace
}  // namespace tessera::test
