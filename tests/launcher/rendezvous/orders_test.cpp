#include "launcher/rendezvous/orders.h"

#include <gtest/gtest.h>

namespace tessera::rendezvous {
namespace {

const v1::Record::Finished& finished() {
  static const v1::Record::Finished finished = [] {
    v1::Record::Finished out;
    out.set_exit_code(3);
    out.set_reason("rank 0 failed");
    out.mutable_failure()->set_value(3);
    return out;
  }();
  return finished;
}

const v1::Record::Ending& ending() {
  static const v1::Record::Ending ending = [] {
    v1::Record::Ending out;
    out.set_graceful(true);
    out.set_reason("stopping: why");
    return out;
  }();
  return ending;
}

v1::Order order(State state, const Addressee& to) {
  return order_for({state, 5, ending(), finished(), "1 of 2 nodes are there"}, to);
}

constexpr Addressee kOutside{.sequence = 9};
constexpr Addressee kInside{.sequence = 9, .in_plan = true};
constexpr Addressee kWithPlan{.sequence = 9, .in_plan = true, .has_plan = true};
constexpr Addressee kLeaver{.sequence = 9, .leaving = true};
constexpr Addressee kLeaverInside{.sequence = 9, .leaving = true, .in_plan = true};

TEST(Orders, EveryOneAcknowledgesAndNamesTheGeneration) {
  for (State state :
       {State::gathering, State::preparing, State::running, State::ending, State::finished}) {
    for (const Addressee& to : {kOutside, kInside, kWithPlan, kLeaver, kLeaverInside}) {
      EXPECT_EQ(order(state, to).acknowledged(), 9u);
      EXPECT_EQ(order(state, to).generation(), 5);
    }
  }
}

TEST(Orders, KindsFollowTheStateAndTheAddressee) {
  struct Case {
    State state;
    Addressee to;
    v1::Order::Kind kind;
  };
  using enum State;
  for (const Case& each : {Case{gathering, kOutside, v1::Order::KIND_WAIT},
                           {gathering, kWithPlan, v1::Order::KIND_WAIT},
                           {gathering, kLeaver, v1::Order::KIND_FINISH},
                           {gathering, kLeaverInside, v1::Order::KIND_FINISH},
                           {preparing, kInside, v1::Order::KIND_PREPARE},
                           {preparing, kWithPlan, v1::Order::KIND_WAIT},
                           {preparing, kOutside, v1::Order::KIND_WAIT},
                           {preparing, kLeaver, v1::Order::KIND_FINISH},
                           {preparing, kLeaverInside, v1::Order::KIND_PREPARE},
                           {running, kInside, v1::Order::KIND_START},
                           {running, kLeaverInside, v1::Order::KIND_START},
                           {running, kOutside, v1::Order::KIND_WAIT},
                           {ending, kInside, v1::Order::KIND_END},
                           {ending, kLeaverInside, v1::Order::KIND_END},
                           {ending, kLeaver, v1::Order::KIND_FINISH},
                           {ending, kOutside, v1::Order::KIND_WAIT},
                           {finished, kInside, v1::Order::KIND_FINISH},
                           {finished, kOutside, v1::Order::KIND_FINISH}}) {
    EXPECT_EQ(order(each.state, each.to).kind(), each.kind)
        << name_of(each.state) << " leaving " << each.to.leaving << " in plan " << each.to.in_plan;
  }
}

TEST(Orders, OnlyThoseWithoutThePlanGetIt) {
  EXPECT_TRUE(needs_plan(State::preparing, kInside));
  EXPECT_FALSE(needs_plan(State::preparing, kWithPlan));
  EXPECT_FALSE(needs_plan(State::preparing, kOutside));
  EXPECT_FALSE(needs_plan(State::running, kInside));
}

TEST(Orders, SayWhyAndWithWhat) {
  EXPECT_EQ(order(State::gathering, kOutside).reason(), "1 of 2 nodes are there");
  v1::Order end = order(State::ending, kInside);
  EXPECT_TRUE(end.graceful());
  EXPECT_EQ(end.reason(), "stopping: why");
  v1::Order finish = order(State::finished, kInside);
  EXPECT_EQ(finish.exit_code(), 3);
  EXPECT_EQ(finish.failure().value(), 3);
  v1::Order farewell = order(State::running, kLeaver);
  EXPECT_EQ(farewell.exit_code(), 75);
  EXPECT_EQ(farewell.reason(), "this node has left");
}

TEST(Orders, WhoIsNoMemberIsFenced) {
  v1::Beat beat;
  beat.set_sequence(4);
  v1::Order order = fencing_order(beat, 6);
  EXPECT_EQ(order.kind(), v1::Order::KIND_FENCED);
  EXPECT_EQ(order.acknowledged(), 4u);
  EXPECT_EQ(order.generation(), 6);
}

}  // namespace
}  // namespace tessera::rendezvous
