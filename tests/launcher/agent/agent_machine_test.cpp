#include "launcher/agent/agent_machine.h"

#include <gtest/gtest.h>

namespace tessera::agent {
namespace {

constexpr Millis kLease = 4000;

class AgentMachineOfTwo : public testing::Test {
 protected:
  AgentMachineOfTwo() {
    v1::JoinReply reply;
    reply.set_member(7);
    reply.set_lease_ms(kLease);
    machine_.joined(reply, "secret");
  }
  v1::Order order(v1::Order::Kind kind, int64_t generation) {
    v1::Order order;
    order.set_kind(kind);
    order.set_generation(generation);
    order.set_acknowledged(machine_.beat(now_).sequence());
    if (kind == v1::Order::KIND_PREPARE) {
      order.mutable_plan()->set_generation(generation);
      order.mutable_plan()->add_members(7);
      order.mutable_plan()->add_nodes()->set_slots(2);
    }
    return order;
  }
  void run(int64_t generation) {
    machine_.order(now_, order(v1::Order::KIND_PREPARE, generation));
    machine_.ready();
    machine_.order(now_, order(v1::Order::KIND_START, generation));
  }
  template <class Wanted>
  static bool only(const Actions& actions) {
    return actions.size() == 1 && std::holds_alternative<Wanted>(actions[0]);
  }
  static v1::Failure failure() {
    v1::Failure failure;
    failure.set_kind(v1::Failure::KIND_EXIT);
    failure.set_value(3);
    return failure;
  }

  Millis now_ = 1000;
  AgentMachine machine_{2};
};

TEST_F(AgentMachineOfTwo, PreparesStartsAndEndsWell) {
  EXPECT_TRUE(only<Prepare>(machine_.order(now_, order(v1::Order::KIND_PREPARE, 1))));
  EXPECT_EQ(machine_.phase(), v1::PHASE_PREPARING);
  machine_.ready();
  EXPECT_EQ(machine_.phase(), v1::PHASE_READY);
  EXPECT_TRUE(only<Start>(machine_.order(now_, order(v1::Order::KIND_START, 1))));
  EXPECT_TRUE(machine_.rank_ended(0, std::nullopt).empty());
  EXPECT_TRUE(only<Kill>(machine_.rank_ended(0, std::nullopt)));
  machine_.dead();
  EXPECT_EQ(machine_.phase(), v1::PHASE_DONE);
}

TEST_F(AgentMachineOfTwo, AStoppedRankCountsAsWellAndIsTold) {
  run(1);
  machine_.rank_ended(75, std::nullopt);
  machine_.rank_ended(75, std::nullopt);
  machine_.dead();
  EXPECT_EQ(machine_.phase(), v1::PHASE_DONE);
  EXPECT_TRUE(machine_.beat(now_).stopped());
}

TEST_F(AgentMachineOfTwo, AFailureKillsTheOthersAtOnceAndIsTold) {
  run(1);
  EXPECT_TRUE(only<Kill>(machine_.rank_ended(3, failure())));
  EXPECT_EQ(machine_.phase(), v1::PHASE_FAILED);
  machine_.dead();
  EXPECT_EQ(machine_.phase(), v1::PHASE_ENDED);
  EXPECT_EQ(machine_.beat(now_).failure().value(), 3);
}

TEST_F(AgentMachineOfTwo, AFailureWhileTheOthersStopIsToldAndLeavesThemTheTime) {
  run(1);
  v1::Order end = order(v1::Order::KIND_END, 1);
  end.set_graceful(true);
  machine_.order(now_, end);
  EXPECT_TRUE(machine_.rank_ended(-1, failure()).empty());
  EXPECT_EQ(machine_.phase(), v1::PHASE_FAILED);
  EXPECT_TRUE(machine_.order(now_, end).empty());
  EXPECT_TRUE(only<Kill>(machine_.rank_ended(75, std::nullopt)));
  machine_.dead();
  EXPECT_EQ(machine_.phase(), v1::PHASE_ENDED);
}

TEST_F(AgentMachineOfTwo, RepeatedLateAndForeignOrdersChangeNothing) {
  run(2);
  EXPECT_TRUE(machine_.order(now_, order(v1::Order::KIND_START, 2)).empty());
  EXPECT_TRUE(machine_.order(now_, order(v1::Order::KIND_PREPARE, 2)).empty());
  EXPECT_TRUE(machine_.order(now_, order(v1::Order::KIND_PREPARE, 1)).empty());
  EXPECT_TRUE(machine_.order(now_, order(v1::Order::KIND_END, 1)).empty());
  EXPECT_TRUE(machine_.order(now_, order(v1::Order::KIND_WAIT, 2)).empty());
  v1::Order foreign = order(v1::Order::KIND_PREPARE, 3);
  foreign.mutable_plan()->set_members(0, 8);
  EXPECT_TRUE(machine_.order(now_, foreign).empty());
  EXPECT_EQ(machine_.phase(), v1::PHASE_RUNNING);
}

TEST_F(AgentMachineOfTwo, AGracefulEndStopsAndAHardOneKills) {
  run(1);
  v1::Order end = order(v1::Order::KIND_END, 1);
  end.set_graceful(true);
  EXPECT_TRUE(only<Stop>(machine_.order(now_, end)));
  EXPECT_TRUE(machine_.order(now_, end).empty());
  end.set_graceful(false);
  EXPECT_TRUE(only<Kill>(machine_.order(now_, end)));
}

TEST_F(AgentMachineOfTwo, AnEndOfAGenerationThatItNeverSawKeepsItFromStarting) {
  machine_.order(now_, order(v1::Order::KIND_END, 4));
  EXPECT_EQ(machine_.phase(), v1::PHASE_ENDED);
  EXPECT_TRUE(machine_.order(now_, order(v1::Order::KIND_PREPARE, 4)).empty());
}

TEST_F(AgentMachineOfTwo, WithoutAnAnswerWithinTheLeaseTheRanksDie) {
  run(1);
  EXPECT_TRUE(machine_.tick(now_ + kLease - 1).empty());
  EXPECT_TRUE(only<Kill>(machine_.tick(now_ + kLease)));
  machine_.dead();
  EXPECT_EQ(machine_.beat(now_).failure().kind(), v1::Failure::KIND_LAPSED);
}

TEST_F(AgentMachineOfTwo, WhoKeepsTheRanksMayFindTheLeaseLapsedSooner) {
  run(1);
  EXPECT_TRUE(only<Kill>(machine_.lapsed()));
  EXPECT_EQ(machine_.beat(now_).failure().kind(), v1::Failure::KIND_LAPSED);
}

TEST_F(AgentMachineOfTwo, TheLeaseCountsFromTheBeatAndNotFromItsAnswer) {
  run(1);
  v1::Beat beat = machine_.beat(now_ + 1000);
  v1::Order answer;
  answer.set_acknowledged(beat.sequence());
  machine_.order(now_ + 3000, answer);
  EXPECT_EQ(machine_.lease_until(), now_ + 1000 + kLease);
}

TEST_F(AgentMachineOfTwo, AnOrderThatWaitedLongerThanTheLeaseComesTooLate) {
  run(1);
  v1::Order late = order(v1::Order::KIND_WAIT, 1);
  EXPECT_TRUE(only<Kill>(machine_.order(now_ + kLease, late)));
}

TEST_F(AgentMachineOfTwo, AFencedNodeKillsItsRanksAndJoinsAnew) {
  run(1);
  EXPECT_TRUE(only<Kill>(machine_.order(now_, order(v1::Order::KIND_FENCED, 9))));
  EXPECT_TRUE(only<Rejoin>(machine_.dead()));
}

TEST_F(AgentMachineOfTwo, TheEndOfTheJobKillsFirstAndExitsThen) {
  run(1);
  EXPECT_TRUE(only<Kill>(machine_.order(now_, order(v1::Order::KIND_FINISH, 1))));
  EXPECT_TRUE(only<Exit>(machine_.dead()));
}

}  // namespace
}  // namespace tessera::agent
