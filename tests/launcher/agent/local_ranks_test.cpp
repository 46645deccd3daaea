#include "launcher/agent/local_ranks.h"

#include <gtest/gtest.h>

#include "tests/support/error_of.h"

namespace tessera::agent {
namespace {

using from_pmix::Aborted;
using from_pmix::Connected;
using from_pmix::ExecFailed;
using from_pmix::Exited;
using from_pmix::Finalized;
using from_pmix::NotServed;
using from_pmix::Started;
using test::error_of;

// Ranks 4 and 5.
class LocalRanksOfTwo : public testing::Test {
 protected:
  std::optional<RankFault> exit(int local, int code, bool stopping = false) {
    return ranks_.take(Exited{local, false, code}, stopping);
  }

  LocalRanks ranks_{2, 4};
};

TEST_F(LocalRanksOfTwo, TheirProcessesAreKnownWhileTheyLive) {
  EXPECT_FALSE(ranks_.all_started());
  ranks_.take(Started{0, 10});
  ranks_.take(Started{1, 11});
  EXPECT_TRUE(ranks_.all_started());
  exit(0, 0);
  EXPECT_EQ(ranks_.processes(), (std::vector<pid_t>{0, 11}));
  EXPECT_TRUE(ranks_.all_started());
}

TEST_F(LocalRanksOfTwo, WhoEndsWithoutMpiEndsWell) {
  EXPECT_FALSE(exit(0, 0));
  EXPECT_FALSE(exit(1, 75));
}

TEST_F(LocalRanksOfTwo, ACodeOrASignalIsAFault) {
  EXPECT_EQ(exit(0, 3), (RankFault{0, "", 3, false}));
  EXPECT_EQ(ranks_.take(Exited{1, true, 9}, false), (RankFault{1, "", 9, true}));
}

TEST_F(LocalRanksOfTwo, AnAbortIsNamedAndItsCodeIsNeverNothing) {
  ranks_.take(Connected{4});
  ranks_.take(Aborted{4, 256, ""});
  EXPECT_EQ(exit(0, 0), (RankFault{0, "called MPI_Abort with code 256", 1, false}));
  ranks_.take(Aborted{5, 7, ""});
  EXPECT_EQ(exit(1, 7), (RankFault{1, "called MPI_Abort with code 7", 7, false}));
}

TEST_F(LocalRanksOfTwo, WhoEndsBetweenInitAndFinalizeLeavesTheOthersWaiting) {
  ranks_.take(Connected{4});
  ranks_.take(Connected{5});
  EXPECT_EQ(exit(0, 0), (RankFault{0, "ended with code 0 without MPI_Finalize", 1, false}));
  ranks_.take(Finalized{5});
  EXPECT_FALSE(exit(1, 0));
}

TEST_F(LocalRanksOfTwo, ACheckpointOnTheWayToTheEndIsWell) {
  ranks_.take(Connected{4});
  EXPECT_FALSE(exit(0, 75, true));
  ranks_.take(Connected{5});
  EXPECT_EQ(exit(1, 75), (RankFault{1, "ended with code 75 without MPI_Finalize", 75, false}));
}

TEST_F(LocalRanksOfTwo, InitOfSomeOnlyIsAFaultOfTheOthersWhicheverComesFirst) {
  const std::string text = "ended without MPI_Init, which others have called";
  EXPECT_FALSE(exit(0, 0));
  EXPECT_EQ(ranks_.take(Connected{5}), (RankFault{0, text}));
  LocalRanks later(2, 4);
  EXPECT_FALSE(later.take(Connected{5}));
  EXPECT_EQ(later.take(Exited{0, false, 0}, false), (RankFault{0, text}));
}

TEST_F(LocalRanksOfTwo, WhatIsNotServedIsNamed) {
  auto fault = ranks_.take(NotServed{5, "MPI_Comm_spawn"});
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->local_rank, 1);
  EXPECT_EQ(fault->text.find("called MPI_Comm_spawn, which tessera launch does not serve"), 0u);
}

TEST_F(LocalRanksOfTwo, WhyAProgramDidNotBeginIsKept) {
  ranks_.take(ExecFailed{1, "no such file"});
  EXPECT_EQ(ranks_.launch_error(0), "");
  EXPECT_EQ(ranks_.launch_error(1), "no such file");
}

TEST_F(LocalRanksOfTwo, RanksOfOthersAreRefused) {
  EXPECT_EQ(error_of([&] {
              ranks_.take(Started{2, 10});
            }),
            "[started] expected one of 2 ranks for local_index, got 2");
  EXPECT_NE(error_of([&] { exit(7, 0); }), "");
  EXPECT_NE(error_of([&] { ranks_.take(Connected{3}); }), "");
  EXPECT_NE(error_of([&] { ranks_.take(Finalized{6}); }), "");
  EXPECT_NE(error_of([&] { ranks_.take(Aborted{0, 1, ""}); }), "");
  EXPECT_NE(error_of([&] { ranks_.take(ExecFailed{-1, ""}); }), "");
  EXPECT_NE(error_of([&] { ranks_.take(NotServed{9, "x"}); }), "");
}

}  // namespace
}  // namespace tessera::agent
