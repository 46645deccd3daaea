#include "launcher/agent/agent_protocol.h"

#include <gtest/gtest.h>

namespace tessera::agent {
namespace {

constexpr Millis kLease = 4000;

class AgentProtocolOfTwo : public testing::Test {
 protected:
  AgentProtocolOfTwo() {
    v1::JoinReply reply;
    reply.set_member(7);
    reply.set_lease_ms(kLease);
    protocol_.joined(reply, "secret");
  }
  v1::Order order(v1::Order::Kind kind, int64_t generation) {
    v1::Order order;
    order.set_kind(kind);
    order.set_generation(generation);
    order.set_acknowledged(protocol_.beat(now_).sequence());
    if (kind == v1::Order::KIND_PREPARE) {
      order.mutable_plan()->set_generation(generation);
      order.mutable_plan()->add_members(7);
      order.mutable_plan()->add_nodes()->set_slots(2);
    }
    return order;
  }
  void run(int64_t generation) {
    protocol_.order(now_, order(v1::Order::KIND_PREPARE, generation));
    protocol_.ready();
    protocol_.order(now_, order(v1::Order::KIND_START, generation));
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
  AgentProtocol protocol_{2};
};

TEST_F(AgentProtocolOfTwo, PreparesStartsAndEndsWell) {
  EXPECT_TRUE(only<Prepare>(protocol_.order(now_, order(v1::Order::KIND_PREPARE, 1))));
  EXPECT_EQ(protocol_.phase(), v1::PHASE_PREPARING);
  protocol_.ready();
  EXPECT_EQ(protocol_.phase(), v1::PHASE_READY);
  EXPECT_TRUE(only<Start>(protocol_.order(now_, order(v1::Order::KIND_START, 1))));
  EXPECT_TRUE(protocol_.rank_ended(0, std::nullopt).empty());
  EXPECT_TRUE(only<Kill>(protocol_.rank_ended(0, std::nullopt)));
  protocol_.dead();
  EXPECT_EQ(protocol_.phase(), v1::PHASE_DONE);
}

TEST_F(AgentProtocolOfTwo, AStoppedRankCountsAsWellAndIsTold) {
  run(1);
  protocol_.rank_ended(75, std::nullopt);
  protocol_.rank_ended(75, std::nullopt);
  protocol_.dead();
  EXPECT_EQ(protocol_.phase(), v1::PHASE_DONE);
  EXPECT_TRUE(protocol_.beat(now_).stopped());
}

TEST_F(AgentProtocolOfTwo, AFailureKillsTheOthersAtOnceAndIsTold) {
  run(1);
  EXPECT_TRUE(only<Kill>(protocol_.rank_ended(3, failure())));
  EXPECT_EQ(protocol_.phase(), v1::PHASE_FAILED);
  protocol_.dead();
  EXPECT_EQ(protocol_.phase(), v1::PHASE_ENDED);
  EXPECT_EQ(protocol_.beat(now_).failure().value(), 3);
}

TEST_F(AgentProtocolOfTwo, AFailureWhileTheOthersStopIsToldAndLeavesThemTheTime) {
  run(1);
  v1::Order end = order(v1::Order::KIND_END, 1);
  end.set_graceful(true);
  protocol_.order(now_, end);
  EXPECT_TRUE(protocol_.rank_ended(-1, failure()).empty());
  EXPECT_EQ(protocol_.phase(), v1::PHASE_FAILED);
  EXPECT_TRUE(protocol_.order(now_, end).empty());
  EXPECT_TRUE(only<Kill>(protocol_.rank_ended(75, std::nullopt)));
  protocol_.dead();
  EXPECT_EQ(protocol_.phase(), v1::PHASE_ENDED);
}

TEST_F(AgentProtocolOfTwo, RepeatedLateAndForeignOrdersChangeNothing) {
  run(2);
  EXPECT_TRUE(protocol_.order(now_, order(v1::Order::KIND_START, 2)).empty());
  EXPECT_TRUE(protocol_.order(now_, order(v1::Order::KIND_PREPARE, 2)).empty());
  EXPECT_TRUE(protocol_.order(now_, order(v1::Order::KIND_PREPARE, 1)).empty());
  EXPECT_TRUE(protocol_.order(now_, order(v1::Order::KIND_END, 1)).empty());
  EXPECT_TRUE(protocol_.order(now_, order(v1::Order::KIND_WAIT, 2)).empty());
  v1::Order foreign = order(v1::Order::KIND_PREPARE, 3);
  foreign.mutable_plan()->set_members(0, 8);
  EXPECT_TRUE(protocol_.order(now_, foreign).empty());
  EXPECT_EQ(protocol_.phase(), v1::PHASE_RUNNING);
}

TEST_F(AgentProtocolOfTwo, AGracefulEndStopsAndAHardOneKills) {
  run(1);
  v1::Order end = order(v1::Order::KIND_END, 1);
  end.set_graceful(true);
  EXPECT_TRUE(only<Stop>(protocol_.order(now_, end)));
  EXPECT_TRUE(protocol_.order(now_, end).empty());
  end.set_graceful(false);
  EXPECT_TRUE(only<Kill>(protocol_.order(now_, end)));
}

TEST_F(AgentProtocolOfTwo, AnEndOfAGenerationThatItNeverSawKeepsItFromStarting) {
  protocol_.order(now_, order(v1::Order::KIND_END, 4));
  EXPECT_EQ(protocol_.phase(), v1::PHASE_ENDED);
  EXPECT_TRUE(protocol_.order(now_, order(v1::Order::KIND_PREPARE, 4)).empty());
}

TEST_F(AgentProtocolOfTwo, WithoutAnAnswerWithinTheLeaseTheRanksDie) {
  run(1);
  EXPECT_TRUE(protocol_.tick(now_ + kLease - 1).empty());
  EXPECT_TRUE(only<Kill>(protocol_.tick(now_ + kLease)));
  protocol_.dead();
  EXPECT_EQ(protocol_.beat(now_).failure().kind(), v1::Failure::KIND_LAPSED);
}

TEST_F(AgentProtocolOfTwo, WhoKeepsTheRanksMayFindTheLeaseLapsedSooner) {
  run(1);
  EXPECT_TRUE(only<Kill>(protocol_.lapsed()));
  EXPECT_EQ(protocol_.beat(now_).failure().kind(), v1::Failure::KIND_LAPSED);
}

TEST_F(AgentProtocolOfTwo, TheLeaseCountsFromTheBeatAndNotFromItsAnswer) {
  run(1);
  v1::Beat beat = protocol_.beat(now_ + 1000);
  v1::Order answer;
  answer.set_acknowledged(beat.sequence());
  protocol_.order(now_ + 3000, answer);
  EXPECT_EQ(protocol_.lease_until(), now_ + 1000 + kLease);
}

TEST_F(AgentProtocolOfTwo, AnOrderThatWaitedLongerThanTheLeaseComesTooLate) {
  run(1);
  v1::Order late = order(v1::Order::KIND_WAIT, 1);
  EXPECT_TRUE(only<Kill>(protocol_.order(now_ + kLease, late)));
}

TEST_F(AgentProtocolOfTwo, AFencedNodeKillsItsRanksAndJoinsAnew) {
  run(1);
  EXPECT_TRUE(only<Kill>(protocol_.order(now_, order(v1::Order::KIND_FENCED, 9))));
  EXPECT_TRUE(only<Rejoin>(protocol_.dead()));
}

TEST_F(AgentProtocolOfTwo, TheEndOfTheJobKillsFirstAndExitsThen) {
  run(1);
  EXPECT_TRUE(only<Kill>(protocol_.order(now_, order(v1::Order::KIND_FINISH, 1))));
  EXPECT_TRUE(only<Exit>(protocol_.dead()));
}

}  // namespace
}  // namespace tessera::agent
