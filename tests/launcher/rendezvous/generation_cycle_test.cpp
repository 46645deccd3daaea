// The cycle by itself; coordinator_*_test.cpp run it with agents.
#include "launcher/rendezvous/generation_cycle.h"

#include <gtest/gtest.h>

#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

class Cycle : public testing::Test {
 protected:
  Cycle() { facts_.agree(CoordinatorDriver::job(2, 2, 1)); }

  // All moves that are due; the texts of what has happened.
  std::vector<std::string> advance() {
    Outputs out;
    while (cycle_.advance({now_, members_, facts_, out})) {
    }
    std::vector<std::string> texts;
    for (const Output& output : out) {
      if (const auto* event = std::get_if<Happened>(&output)) texts.push_back(event->text);
    }
    return texts;
  }
  void tell(v1::Phase phase) {
    for (const auto& [id, member] : members_.all()) tell(id, phase);
  }
  void tell(MemberId id, v1::Phase phase, const std::optional<v1::Failure>& failure = {}) {
    v1::Beat beat;
    beat.set_generation(cycle_.generation().number());
    beat.set_phase(phase);
    if (failure) *beat.mutable_failure() = *failure;
    cycle_.take_report(id, beat);
  }
  void run() {
    for (const char* host : {"a", "b"}) {
      members_.add(CoordinatorDriver::request(host, facts_.terms()).node(), host, now_);
    }
    advance();
    tell(v1::PHASE_READY);
    advance();
    ASSERT_EQ(cycle_.state(), State::running);
  }

  Settings settings_;
  Millis now_ = 0;
  JobFacts facts_{v1::Record::Began()};
  Members members_{0};
  GenerationCycle cycle_{settings_, now_, std::make_unique<LeaseHold>(settings_, now_)};
};

TEST_F(Cycle, GoesFromGatheringToTheEndOfTheJob) {
  EXPECT_TRUE(advance().empty());
  run();
  tell(v1::PHASE_DONE);
  EXPECT_EQ(advance(), (std::vector<std::string>{"generation 1 ends: all ranks have ended",
                                                 "the job ends: done"}));
  EXPECT_EQ(cycle_.state(), State::finished);
  EXPECT_TRUE(facts_.is_over());
  EXPECT_TRUE(advance().empty());
}

TEST_F(Cycle, ALostNodeHoldsTheNextGenerationForItsLease) {
  run();
  now_ = 3000;
  cycle_.lose(1, members_.at(1), now_);
  members_.remove(1);
  members_.add(CoordinatorDriver::request("c", facts_.terms()).node(), "c", now_);
  advance();
  tell(2, v1::PHASE_ENDED);
  now_ = settings_.lease + settings_.margin - 1;
  EXPECT_TRUE(advance().empty());
  ++now_;
  advance();
  EXPECT_EQ(cycle_.generation().number(), 2);
  EXPECT_EQ(cycle_.restarts().count(), 1);
}

TEST_F(Cycle, OneThatSaidThatItGoesHoldsNobody) {
  run();
  cycle_.let_go(1, members_.at(1));
  members_.remove(1);
  members_.add(CoordinatorDriver::request("c", facts_.terms()).node(), "c", now_);
  advance();
  tell(2, v1::PHASE_ENDED);
  advance();
  EXPECT_EQ(cycle_.generation().number(), 2);
}

TEST_F(Cycle, FencesAreOpenWhileRanksMayMeet) {
  FenceCall call{7, {}};
  call.request.set_generation(1);
  call.request.set_key("k");
  call.request.add_participants(0);
  auto refused = [&](MemberId id) {
    Outputs out;
    cycle_.fence(id, call, out);
    return out.size() == 1 && std::holds_alternative<Refusal>(std::get<Answer>(out[0]).reply);
  };
  EXPECT_TRUE(refused(1));
  run();
  EXPECT_FALSE(refused(1));
  EXPECT_TRUE(refused(99)) << "not in the plan";
  tell(1, v1::PHASE_FAILED, failure_of(v1::Failure::KIND_EXIT, 3, 0));
  advance();
  EXPECT_TRUE(refused(1)) << "it ends";
}

TEST_F(Cycle, ComesBackFromItsRecords) {
  run();
  v1::Record formed;
  *formed.mutable_formed()->mutable_plan() = *cycle_.generation().plan();
  GenerationCycle other(settings_, now_, std::make_unique<LeaseHold>(settings_, now_));
  other.restore(formed, members_);
  other.resume(now_);
  EXPECT_EQ(other.state(), State::preparing);
  EXPECT_EQ(other.generation().number(), 1);
  v1::Record ending;
  *ending.mutable_ending() = graceful_ending(v1::Record::Ending::KIND_REGROUP, "why");
  other.restore(ending, members_);
  EXPECT_EQ(other.state(), State::ending);
  EXPECT_EQ(other.ending().reason(), "why");
  v1::Record ended;
  ended.set_ended(1);
  other.restore(ended, members_);
  EXPECT_EQ(other.state(), State::gathering);
  EXPECT_EQ(other.restarts().count(), 1);
}

}  // namespace
}  // namespace tessera::rendezvous
