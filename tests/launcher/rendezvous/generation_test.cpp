#include "launcher/rendezvous/generation.h"

#include <gtest/gtest.h>

#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

// Generation 4 of members 1, 2 and 3 at places 0, 1 and 2, and member 4 outside of it.
class GenerationOfThree : public testing::Test {
 protected:
  GenerationOfThree() {
    auto plan = std::make_shared<v1::Plan>();
    plan->set_generation(4);
    for (const char* host : {"a", "b", "c"}) {
      v1::Node node;
      node.set_host(host);
      plan->add_members(members_.add(node, host, 0));
      *plan->add_nodes() = node;
    }
    members_.add({}, "d", 0);
    plan_ = plan;
    generation_.begin(plan_, members_);
  }

  void tell(MemberId id, v1::Phase phase, const std::optional<v1::Failure>& failure = {},
            int64_t number = 4) {
    v1::Beat beat;
    beat.set_generation(number);
    beat.set_phase(phase);
    if (failure) *beat.mutable_failure() = *failure;
    generation_.take_report(id, beat);
  }
  void all(v1::Phase phase) {
    for (MemberId id : {1, 2, 3}) tell(id, phase);
  }

  Members members_{0};
  std::shared_ptr<const v1::Plan> plan_;
  Generation generation_;
};

TEST(Generation, BeforeTheFirstThereIsNothing) {
  Generation none;
  EXPECT_EQ(none.number(), 0);
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.find(1), nullptr);
  EXPECT_FALSE(none.may_hold_ranks(1));
  EXPECT_EQ(none.first_failure(), nullptr);
}

TEST_F(GenerationOfThree, IsReadyWhenAllAre) {
  EXPECT_EQ(generation_.number(), 4);
  EXPECT_EQ(generation_.num_present(), 3u);
  EXPECT_EQ(generation_.find(2)->place, 1);
  EXPECT_EQ(generation_.find(4), nullptr);
  tell(1, v1::PHASE_READY);
  tell(2, v1::PHASE_RUNNING);
  EXPECT_FALSE(generation_.all_ready());
  tell(3, v1::PHASE_DONE);
  EXPECT_TRUE(generation_.all_ready());
}

TEST_F(GenerationOfThree, APhaseNeverGoesBack) {
  all(v1::PHASE_RUNNING);
  tell(1, v1::PHASE_READY, failure_of(v1::Failure::KIND_EXIT, 3, 1));
  EXPECT_EQ(generation_.find(1)->phase, v1::PHASE_RUNNING);
  EXPECT_EQ(generation_.first_failure(), nullptr);
  tell(1, static_cast<v1::Phase>(99));
  EXPECT_EQ(generation_.find(1)->phase, v1::PHASE_RUNNING);
}

TEST_F(GenerationOfThree, ReportsOfOthersChangeNothing) {
  tell(1, v1::PHASE_ENDED, {}, 3);
  tell(4, v1::PHASE_ENDED);
  EXPECT_FALSE(generation_.find(1)->has_plan);
  EXPECT_FALSE(generation_.any_bad_end());
  tell(1, v1::PHASE_IDLE);
  EXPECT_TRUE(generation_.find(1)->has_plan);
}

TEST_F(GenerationOfThree, EndsWellWhenAllAreDoneEvenThoseThatWent) {
  all(v1::PHASE_RUNNING);
  tell(1, v1::PHASE_DONE);
  tell(2, v1::PHASE_DONE);
  generation_.remove(1);
  EXPECT_FALSE(generation_.all_done());
  EXPECT_FALSE(generation_.any_lost());
  tell(3, v1::PHASE_DONE);
  EXPECT_TRUE(generation_.all_done());
  EXPECT_TRUE(generation_.all_ended());
  EXPECT_FALSE(generation_.any_bad_end());
}

TEST_F(GenerationOfThree, OneThatWentBeforeItWasDoneIsLost) {
  all(v1::PHASE_RUNNING);
  generation_.note_loss(failure_of(v1::Failure::KIND_LOST, 0, 0));
  generation_.note_loss(failure_of(v1::Failure::KIND_LEFT, 0, 0));
  generation_.remove(2);
  generation_.remove(2);
  EXPECT_TRUE(generation_.any_lost());
  EXPECT_TRUE(generation_.any_bad_end());
  EXPECT_EQ(generation_.first_failure()->kind(), v1::Failure::KIND_LOST);
  EXPECT_FALSE(generation_.all_ended());
  tell(1, v1::PHASE_ENDED);
  tell(3, v1::PHASE_DONE);
  EXPECT_TRUE(generation_.all_ended());
  EXPECT_FALSE(generation_.all_done());
}

TEST_F(GenerationOfThree, HoldsRanksUntilTheyAreDead) {
  EXPECT_TRUE(generation_.may_hold_ranks(1));
  EXPECT_FALSE(generation_.may_hold_ranks(4));
  tell(1, v1::PHASE_FAILED);
  EXPECT_TRUE(generation_.may_hold_ranks(1));
  tell(1, v1::PHASE_ENDED);
  EXPECT_FALSE(generation_.may_hold_ranks(1));
  tell(2, v1::PHASE_DONE);
  EXPECT_FALSE(generation_.may_hold_ranks(2));
}

TEST_F(GenerationOfThree, TheEarliestFailureIsTheFirstAndANodesFirstIsItsOwn) {
  tell(1, v1::PHASE_FAILED, failure_of(v1::Failure::KIND_EXIT, 5, 900, 0));
  tell(2, v1::PHASE_FAILED, failure_of(v1::Failure::KIND_EXIT, 6, 700, 1));
  tell(2, v1::PHASE_FAILED, failure_of(v1::Failure::KIND_EXIT, 7, 100, 1));
  EXPECT_EQ(generation_.first_failure()->value(), 6);
}

TEST_F(GenerationOfThree, ACheckpointOutlivesItsNode) {
  v1::Beat beat;
  beat.set_generation(4);
  beat.set_phase(v1::PHASE_DONE);
  beat.set_stopped(true);
  EXPECT_FALSE(generation_.any_stopped());
  generation_.take_report(1, beat);
  EXPECT_TRUE(generation_.any_stopped());
  generation_.remove(1);
  EXPECT_TRUE(generation_.any_stopped());
  generation_.begin(plan_, members_);
  EXPECT_FALSE(generation_.any_stopped());
}

TEST_F(GenerationOfThree, TheFurthestStepIsOfAnyRank) {
  EXPECT_EQ(generation_.furthest_step(), 0);
  for (auto [id, step] : {std::pair(1, 7), {2, 9}, {3, 8}}) {
    v1::Beat beat;
    beat.set_generation(4);
    beat.add_progress()->set_step(step);
    generation_.take_report(static_cast<MemberId>(id), beat);
  }
  EXPECT_EQ(generation_.furthest_step(), 9);
  v1::Beat flood;
  flood.set_generation(4);
  for (int i = 0; i < 5000; ++i) flood.add_progress()->set_step(100);
  generation_.take_report(1, flood);
  EXPECT_EQ(generation_.furthest_step(), 9) << "more than a node can have ranks";
}

TEST_F(GenerationOfThree, WhoIsNotThereAtItsBeginningIsLost) {
  members_.remove(2);
  generation_.begin(plan_, members_);
  EXPECT_EQ(generation_.num_present(), 2u);
  EXPECT_TRUE(generation_.any_lost());
  tell(1, v1::PHASE_READY);
  tell(3, v1::PHASE_READY);
  EXPECT_FALSE(generation_.all_ready());
}

}  // namespace
}  // namespace tessera::rendezvous
