// Generations that end early: failures, losses, newcomers, leaving and draining.
#include "launcher/rendezvous/coordinator.h"
#include "tests/launcher/rendezvous/coordinator_driver.h"
#include "tests/support/error_of.h"

namespace tessera::rendezvous {
namespace {

using Hosts = std::vector<std::string>;

// A job whose ranks run on the nodes a, b, ...
CoordinatorDriver running(int num_nodes, const v1::Job& job, const Settings& settings = {}) {
  CoordinatorDriver driver(job, settings);
  for (int i = 0; i < num_nodes; ++i) driver.join(std::string(1, static_cast<char>('a' + i)));
  if (num_nodes < job.max_nodes()) driver.wait(1100);
  driver.start_all();
  EXPECT_EQ(driver.state(), State::running);
  return driver;
}

CoordinatorDriver two_running(int max_restarts = 3, const Settings& settings = {}) {
  return running(2, CoordinatorDriver::job(2, 2, max_restarts), settings);
}

TEST(CoordinatorFailure, EndsAllRanksAndCountsARestart) {
  CoordinatorDriver driver = two_running();
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 7, 100));
  EXPECT_EQ(driver.state(), State::ending);
  EXPECT_EQ(driver.kind("b"), v1::Order::KIND_END);
  EXPECT_FALSE(driver.order("b").graceful());
  EXPECT_EQ(driver.order("b").reason(), "rank 0 failed");
  driver.beat("a", v1::PHASE_ENDED);
  EXPECT_EQ(driver.state(), State::ending);
  driver.beat("b", v1::PHASE_ENDED);
  EXPECT_EQ(driver.state(), State::preparing);
  EXPECT_EQ(driver.coordinator().generation(), 2);
  EXPECT_EQ(driver.restarts(), 1);
  EXPECT_EQ(driver.beat("b").plan().restarts(), 1);
  driver.start_all();
  driver.all(v1::PHASE_DONE);
  EXPECT_EQ(driver.coordinator().exit_code(), 0);
}

TEST(CoordinatorFailure, OneTooManyEndsTheJobWithItsCode) {
  CoordinatorDriver driver = two_running(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(driver.restarts(), i);
    driver.start_all();
    driver.fail("b", failure_of(v1::Failure::KIND_EXIT, 7 + i, 100, 3));
    driver.all(v1::PHASE_ENDED);
  }
  EXPECT_EQ(driver.state(), State::finished);
  EXPECT_EQ(driver.order("a").exit_code(), 8);
  EXPECT_EQ(driver.order("a").failure().rank(), 3);
  EXPECT_EQ(driver.order("a").reason(), "rank 3 failed");
}

struct Code {
  v1::Failure::Kind kind;
  int value;
  int expected;
};

TEST(CoordinatorFailure, GivesTheJobItsExitCode) {
  for (auto [kind, value, expected] :
       {Code{v1::Failure::KIND_EXIT, 3, 3}, Code{v1::Failure::KIND_EXIT, 255, 255},
        Code{v1::Failure::KIND_EXIT, 0, 1}, Code{v1::Failure::KIND_EXIT, 256, 1},
        Code{v1::Failure::KIND_EXIT, -1, 1}, Code{v1::Failure::KIND_SIGNAL, 9, 137},
        Code{v1::Failure::KIND_HANG, 0, 1}, Code{v1::Failure::KIND_LAUNCH, 0, 1}}) {
    CoordinatorDriver driver = two_running(0);
    driver.fail("a", failure_of(kind, value, 100));
    driver.all(v1::PHASE_ENDED);
    EXPECT_EQ(driver.coordinator().exit_code(), expected) << kind << " " << value;
  }
}

// A signal's value may come from anyone who can reach the server.
TEST(CoordinatorFailure, ASignalThatDoesNotExistIsJustAFailure) {
  for (int value : {0, -128, -200, 65, 200, 2'147'483'647}) {
    CoordinatorDriver driver = two_running(0);
    driver.fail("a", failure_of(v1::Failure::KIND_SIGNAL, value, 100));
    driver.all(v1::PHASE_ENDED);
    EXPECT_EQ(driver.coordinator().exit_code(), 1) << value;
  }
}

TEST(CoordinatorFailure, BadUsageIsNotTriedAgain) {
  CoordinatorDriver driver = two_running();
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 2, 100));
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.state(), State::finished);
  EXPECT_EQ(driver.coordinator().exit_code(), 2);
}

TEST(CoordinatorFailure, TheEarliestIsTheCause) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(3, 3, 0));
  driver.fail("b", failure_of(v1::Failure::KIND_EXIT, 5, 900, 2));
  driver.fail("c", failure_of(v1::Failure::KIND_EXIT, 6, 700, 4));
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 4, 800, 0));
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().exit_code(), 6);
}

TEST(CoordinatorFailure, ASignalCausesAnErrorThatWasSeenShortlyBefore) {
  CoordinatorDriver driver = two_running(0);
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 5, 700, 0));
  driver.fail("b", failure_of(v1::Failure::KIND_SIGNAL, 9, 1000, 2));
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().exit_code(), 137);
}

TEST(CoordinatorFailure, ALostNodeCausesTheErrorsOfTheOthers) {
  CoordinatorDriver driver = two_running(0);
  driver.agent("b").silent = true;
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 5, 700));
  driver.beat("a", v1::PHASE_ENDED);
  driver.wait(6000);
  EXPECT_EQ(driver.state(), State::finished);
  EXPECT_EQ(driver.coordinator().finish().failure().kind(), v1::Failure::KIND_LOST);
  EXPECT_EQ(driver.coordinator().finish().failure().host(), "b");
}

TEST(CoordinatorFailure, OnlyTheFirstOfANodeCounts) {
  CoordinatorDriver driver = two_running(0);
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 5, 700));
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 6, 1));
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().exit_code(), 5);
}

TEST(CoordinatorFailure, ANodeThatEndsWithoutAReasonIsOne) {
  CoordinatorDriver driver = two_running(0);
  driver.beat("a", v1::PHASE_ENDED);
  EXPECT_EQ(driver.kind("b"), v1::Order::KIND_END);
  driver.beat("b", v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().exit_code(), 1);
  EXPECT_EQ(driver.coordinator().finish().reason(), "a node ended its ranks");
}

TEST(CoordinatorFailure, ALapsedLeaseIsNotCounted) {
  CoordinatorDriver driver = two_running(0);
  driver.fail("a", failure_of(v1::Failure::KIND_LAPSED, 0, 0, -1));
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.state(), State::preparing);
  EXPECT_EQ(driver.coordinator().generation(), 2);
  EXPECT_EQ(driver.restarts(), 0);
}

TEST(CoordinatorFailure, ALapsedLeaseIsNeverTheCauseOfAnother) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(3, 3, 0));
  driver.fail("a", failure_of(v1::Failure::KIND_LAPSED, 0, 0, -1));
  driver.fail("b", failure_of(v1::Failure::KIND_EXIT, 5, 9000, 2));
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().exit_code(), 5);
}

TEST(CoordinatorFailure, WhilePreparingEndsTheGeneration) {
  CoordinatorDriver driver(CoordinatorDriver::job(2, 2));
  driver.join("a");
  driver.join("b");
  driver.beat("a", v1::PHASE_PREPARING);
  driver.fail("a", failure_of(v1::Failure::KIND_LAUNCH, 0, 0));
  // b has not heard of the plan yet, and will not run it.
  EXPECT_EQ(driver.kind("b"), v1::Order::KIND_END);
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().generation(), 2);
  EXPECT_EQ(driver.restarts(), 1);
}

TEST(CoordinatorFailure, PreparingForTooLongIsOne) {
  CoordinatorDriver driver(CoordinatorDriver::job(2, 2, 0), {.prepare = 5000});
  driver.join("a");
  driver.join("b");
  driver.all(v1::PHASE_PREPARING);
  driver.beat("a", v1::PHASE_READY);
  driver.wait(5000);
  EXPECT_EQ(driver.state(), State::preparing);
  driver.wait(200);
  EXPECT_EQ(driver.state(), State::ending);
  EXPECT_EQ(driver.order("a").reason(), "not all nodes were ready for their ranks within 5 s");
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().exit_code(), 1);
}

TEST(CoordinatorLoss, OfANodeThatWasDoneIsNone) {
  for (bool leaves : {false, true}) {
    CoordinatorDriver driver = two_running(0);
    driver.beat("a", v1::PHASE_DONE);
    if (leaves) {
      driver.leave("a");
    } else {
      driver.agent("a").silent = true;
      driver.wait(3000);
    }
    EXPECT_EQ(driver.coordinator().num_members(), 1u);
    EXPECT_EQ(driver.state(), State::running);
    driver.beat("b", v1::PHASE_DONE);
    EXPECT_EQ(driver.state(), State::finished);
    EXPECT_EQ(driver.coordinator().exit_code(), 0);
  }
}

TEST(CoordinatorLoss, OfANodeThatWasDoneDoesNotHideItsCheckpoint) {
  CoordinatorDriver driver = two_running(0);
  driver.drain("asked to");
  driver.agent("a").stopped = true;
  driver.beat("a", v1::PHASE_DONE);
  driver.leave("a");
  driver.beat("b", v1::PHASE_DONE);
  EXPECT_EQ(driver.coordinator().exit_code(), 75);
}

TEST(CoordinatorLoss, HoldsTheNextGenerationUntilTheLeaseAndTheMarginArePast) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(2, 3));
  driver.agent("c").silent = true;
  driver.wait(2500);
  EXPECT_EQ(driver.state(), State::running);
  driver.wait(100);
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_END);
  EXPECT_EQ(driver.order("a").reason(), "node c was not heard of for 2.6 s");
  driver.all(v1::PHASE_ENDED);
  driver.wait(1800);
  EXPECT_EQ(driver.state(), State::ending);  // 4.4 s after the last beat
  driver.wait(100);
  EXPECT_EQ(driver.state(), State::preparing);  // 4.5 s
  EXPECT_EQ(driver.plan(), (Hosts{"a", "b"}));
  EXPECT_EQ(driver.restarts(), 1);
}

TEST(CoordinatorLoss, OfANodeWithoutRanksHoldsNobody) {
  CoordinatorDriver driver = two_running();
  driver.join("c");
  driver.agent("c").silent = true;
  driver.wait(5000);
  EXPECT_EQ(driver.coordinator().num_members(), 2u);
  EXPECT_EQ(driver.state(), State::running);
}

TEST(CoordinatorLoss, ALateBeatIsFencedAndItsSenderCanJoinAnew) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(2, 3));
  DrivenAgent lost = driver.agent("c");
  driver.agent("c").silent = true;
  driver.wait(3000);
  EXPECT_EQ(driver.coordinator().num_members(), 2u);
  EXPECT_EQ(driver.beat("c").kind(), v1::Order::KIND_FENCED);
  EXPECT_EQ(driver.state(), State::ending);
  driver.all(v1::PHASE_ENDED);
  driver.join("c");
  EXPECT_NE(driver.agent("c").member, lost.member);
  driver.wait(3000);
  EXPECT_EQ(driver.plan(), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(driver.coordinator().generation(), 2);
}

TEST(CoordinatorLoss, OfTooManyWaitsForOthers) {
  CoordinatorDriver driver = two_running();
  driver.agent("b").silent = true;
  driver.wait(2700);
  driver.beat("a", v1::PHASE_ENDED);
  driver.wait(10'000);
  EXPECT_EQ(driver.state(), State::gathering);
  EXPECT_EQ(driver.order("a").reason(), "1 of 2 nodes are there");
  driver.join("c");
  EXPECT_EQ(driver.plan(), (Hosts{"a", "c"}));
}

TEST(CoordinatorRegroup, ANewcomerGetsItsPlaceAfterACheckpoint) {
  CoordinatorDriver driver = running(2, CoordinatorDriver::job(1, 3));
  driver.join("c");
  driver.wait(900);
  EXPECT_EQ(driver.state(), State::running);
  driver.wait(200);
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_END);
  EXPECT_TRUE(driver.order("a").graceful());
  EXPECT_EQ(driver.order("a").reason(), "a node has joined");
  EXPECT_EQ(driver.kind("c"), v1::Order::KIND_WAIT);
  driver.agent("a").stopped = driver.agent("b").stopped = true;
  driver.beat("a", v1::PHASE_DONE);
  driver.beat("b", v1::PHASE_DONE);
  EXPECT_EQ(driver.plan(), (Hosts{"a", "b", "c"}));
  EXPECT_EQ(driver.restarts(), 0);
}

TEST(CoordinatorRegroup, ANewcomerThatLeavesIsNoReason) {
  CoordinatorDriver driver = running(2, CoordinatorDriver::job(1, 3));
  driver.join("c");
  driver.agent("c").leaving = true;
  EXPECT_EQ(driver.beat("c").kind(), v1::Order::KIND_FINISH);
  driver.wait(3000);
  EXPECT_EQ(driver.state(), State::running);
}

TEST(CoordinatorRegroup, RanksThatDoNotStopInTimeAreKilled) {
  CoordinatorDriver driver = running(2, CoordinatorDriver::job(1, 3), {.grace = 5000});
  driver.join("c");
  driver.wait(1100);
  EXPECT_TRUE(driver.order("a").graceful());
  driver.wait(5100);
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_END);
  EXPECT_FALSE(driver.order("a").graceful());
  driver.beat("a", v1::PHASE_ENDED);
  driver.beat("b", v1::PHASE_ENDED);
  EXPECT_EQ(driver.plan().size(), 3u);
  EXPECT_EQ(driver.restarts(), 0);
}

TEST(CoordinatorRegroup, RanksThatMayWaitForThoseThatDiedAreKilledSooner) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(1, 4));
  driver.join("d");
  driver.wait(1100);
  driver.agent("a").stopped = true;
  driver.beat("a", v1::PHASE_DONE);
  driver.wait(10'000);
  EXPECT_TRUE(driver.order("c").graceful());
  driver.fail("b", failure_of(v1::Failure::KIND_SIGNAL, 15, 100));
  driver.wait(4900);
  EXPECT_TRUE(driver.order("c").graceful());
  driver.wait(300);
  EXPECT_FALSE(driver.order("c").graceful());
  driver.beat("b", v1::PHASE_ENDED);
  driver.beat("c", v1::PHASE_ENDED);
  EXPECT_EQ(driver.plan().size(), 4u);
  EXPECT_EQ(driver.restarts(), 0);
}

TEST(CoordinatorRegroup, WhoComesWhileTheOthersPrepareComesBeforeTheirRanksStart) {
  CoordinatorDriver driver(CoordinatorDriver::job(1, 3));
  driver.join("a");
  driver.join("b");
  driver.wait(1100);
  driver.beat("a", v1::PHASE_PREPARING);
  driver.join("c");
  driver.wait(1100);
  EXPECT_EQ(driver.state(), State::preparing);
  driver.beat("a", v1::PHASE_READY);
  driver.beat("b", v1::PHASE_READY);
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_END);
  for (const std::string& event : driver.events()) EXPECT_NE(event, "generation 1 starts");
  driver.beat("a", v1::PHASE_ENDED);
  driver.beat("b", v1::PHASE_ENDED);
  EXPECT_EQ(driver.plan().size(), 3u);
}

TEST(CoordinatorLeave, WithEnoughNodesLeftTheOthersGoOn) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(2, 3));
  driver.agent("b").leaving = true;
  driver.beat("b");
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_END);
  EXPECT_TRUE(driver.order("a").graceful());
  EXPECT_EQ(driver.order("a").reason(), "b leaves");
  driver.all(v1::PHASE_ENDED);
  driver.wait(1100);
  EXPECT_EQ(driver.plan(), (Hosts{"a", "c"}));
  EXPECT_EQ(driver.kind("b"), v1::Order::KIND_FINISH);
  EXPECT_EQ(driver.order("b").exit_code(), 75);
  EXPECT_EQ(driver.order("b").reason(), "this node has left");
  driver.leave("b");
  driver.start_all();
  driver.wait(3000);
  EXPECT_EQ(driver.state(), State::running);
  EXPECT_EQ(driver.restarts(), 0);
}

TEST(CoordinatorLeave, WithoutEnoughNodesLeftTheJobStops) {
  CoordinatorDriver driver = two_running();
  driver.agent("b").leaving = true;
  driver.beat("b");
  EXPECT_TRUE(driver.order("a").graceful());
  EXPECT_EQ(driver.order("a").reason(), "stopping: node b leaves");
  driver.agent("a").stopped = driver.agent("b").stopped = true;
  driver.all(v1::PHASE_DONE);
  EXPECT_EQ(driver.kind("b"), v1::Order::KIND_FINISH);
  EXPECT_EQ(driver.coordinator().exit_code(), 75);
}

TEST(CoordinatorLeave, WithoutWarningIsAFailureThatHoldsNobody) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(2, 3));
  EXPECT_EQ(refusal_of(driver.leave("b")), "");
  EXPECT_EQ(driver.order("a").reason(), "node b left");
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.plan(), (Hosts{"a", "c"}));
  EXPECT_EQ(driver.restarts(), 1);
}

TEST(CoordinatorLeave, OnlyMembersCan) {
  CoordinatorDriver driver = two_running();
  v1::LeaveRequest request;
  request.set_member(driver.agent("a").member);
  request.set_secret(driver.agent("b").secret);
  EXPECT_EQ(why_refused(driver.call<LeaveCall>(request)), Refused::not_a_member);
  EXPECT_EQ(driver.state(), State::running);
}

TEST(CoordinatorDrain, StopsRanksAfterACheckpoint) {
  CoordinatorDriver driver = two_running();
  driver.drain("maintenance");
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_END);
  EXPECT_TRUE(driver.order("a").graceful());
  EXPECT_EQ(driver.order("a").reason(), "stopping: maintenance");
  driver.agent("a").stopped = true;
  driver.all(v1::PHASE_DONE);
  EXPECT_EQ(driver.coordinator().exit_code(), 75);
  EXPECT_EQ(driver.coordinator().finish().reason(), "stopped: maintenance");
  EXPECT_FALSE(driver.coordinator().finish().has_failure());
}

TEST(CoordinatorDrain, RanksThatDieOfItGiveTheirCode) {
  CoordinatorDriver driver = two_running();
  driver.drain("maintenance");
  driver.fail("a", failure_of(v1::Failure::KIND_SIGNAL, 15, 100), v1::PHASE_ENDED);
  driver.beat("b", v1::PHASE_ENDED);
  EXPECT_EQ(driver.coordinator().exit_code(), 143);
}

TEST(CoordinatorDrain, WithoutRanksIsTheEndAtOnce) {
  CoordinatorDriver driver(CoordinatorDriver::job(2, 2));
  driver.join("a");
  driver.drain("maintenance");
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_FINISH);
  EXPECT_EQ(driver.coordinator().exit_code(), 75);
  // Nothing is left to stop.
  size_t num_events = driver.events().size();
  driver.drain("again");
  EXPECT_EQ(driver.events().size(), num_events);
}

TEST(CoordinatorDrain, AfterAFailureThereIsNoNextGeneration) {
  CoordinatorDriver driver = two_running();
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 7, 100));
  driver.drain("maintenance");
  driver.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver.state(), State::finished);
  EXPECT_EQ(driver.coordinator().exit_code(), 75);
}

TEST(CoordinatorDeafness, AJumpOfTheClockLosesNobody) {
  for (Millis pause : {600, 3000, 100'000, 10'000'000}) {
    CoordinatorDriver driver = two_running();
    driver.jump(pause);
    EXPECT_EQ(driver.coordinator().num_members(), 2u);
    driver.wait(2000);
    EXPECT_EQ(driver.state(), State::running);
    driver.agent("a").silent = true;
    driver.wait(2700);
    EXPECT_EQ(driver.state(), State::ending);
  }
}

TEST(CoordinatorDeafness, AClockThatGoesBackChangesNothing) {
  CoordinatorDriver driver = two_running();
  driver.jump(-5000);
  EXPECT_EQ(driver.state(), State::running);
}

TEST(CoordinatorDeafness, WhatHasToBeWaitedForTakesAsLong) {
  CoordinatorDriver driver = running(3, CoordinatorDriver::job(2, 3));
  driver.agent("c").silent = true;
  driver.wait(2600);
  driver.all(v1::PHASE_ENDED);
  driver.jump(60'000);
  EXPECT_EQ(driver.state(), State::ending);
  driver.wait(1800);
  EXPECT_EQ(driver.state(), State::ending);
  driver.wait(200);
  EXPECT_EQ(driver.state(), State::preparing);
}

// How long it takes from that failure of all ranks to the next generation, in ms.
int64_t pause_of(CoordinatorDriver& driver, int code) {
  driver.start_all();
  driver.fail("a", failure_of(v1::Failure::KIND_EXIT, code, 100));
  driver.all(v1::PHASE_ENDED);
  int64_t waited = 0;
  for (; driver.state() == State::gathering && waited < 100'000; waited += 100) driver.wait(100);
  return waited;
}

// So that a disk that is full for two seconds does not use up five restarts.
TEST(CoordinatorFailure, RestartsForOneCauseArePutOff) {
  CoordinatorDriver driver = two_running(100);
  EXPECT_EQ(pause_of(driver, 1), 0);
  for (int64_t expected : {1000, 2000, 4000, 8000, 16'000, 30'000, 30'000}) {
    EXPECT_NEAR(static_cast<double>(pause_of(driver, 1)), static_cast<double>(expected), 300);
  }
  EXPECT_EQ(pause_of(driver, 2 + 1), 0) << "another cause";
}

TEST(CoordinatorFailure, WhatComesFromOutsideIsMendedAtOnce) {
  CoordinatorDriver driver = two_running(100);
  for (int i = 0; i < 5; ++i) {
    driver.start_all();
    driver.fail("a", failure_of(v1::Failure::KIND_SIGNAL, 9, 100));
    driver.all(v1::PHASE_ENDED);
    EXPECT_EQ(driver.state(), State::preparing) << i;
  }
}

TEST(CoordinatorFailure, ADrainDoesNotWaitForAPause) {
  CoordinatorDriver driver = two_running(100);
  for (int i = 0; i < 2; ++i) {
    driver.start_all();
    driver.fail("a", failure_of(v1::Failure::KIND_EXIT, 1, 100));
    driver.all(v1::PHASE_ENDED);
  }
  ASSERT_EQ(driver.state(), State::gathering);
  driver.call<DrainCall>(v1::DrainRequest());
  EXPECT_EQ(driver.state(), State::finished);
}

}  // namespace
}  // namespace tessera::rendezvous
