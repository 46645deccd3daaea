// A server that is started anew. That records and snapshots give the same state is checked by the
// driver after every step of every test; here is what members see of it.
#include "launcher/rendezvous/coordinator.h"
#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

using Hosts = std::vector<std::string>;

class CoordinatorRestore : public testing::Test {
 protected:
  CoordinatorRestore() : driver_(CoordinatorDriver::job(2, 3)) {
    driver_.join("a", 1);
    driver_.join("b", 0);
  }
  void form() {
    driver_.wait(1100);
    ASSERT_EQ(driver_.state(), State::preparing);
  }
  void run() {
    form();
    driver_.start_all();
    ASSERT_EQ(driver_.state(), State::running);
  }
  void beat_all() {
    driver_.beat("a");
    driver_.beat("b");
  }

  CoordinatorDriver driver_;
};

TEST_F(CoordinatorRestore, WhileGatheringMembersKeepTheirPlaces) {
  uint64_t member = driver_.agent("a").member;
  driver_.restart_server(10'000);
  EXPECT_EQ(driver_.beat("a").kind(), v1::Order::KIND_WAIT);
  EXPECT_EQ(driver_.coordinator().num_members(), 2u);
  driver_.join("a", 1);
  EXPECT_EQ(driver_.agent("a").member, member);
  driver_.wait(1100);
  EXPECT_EQ(driver_.plan(), (Hosts{"b", "a"}));
}

TEST_F(CoordinatorRestore, WhilePreparingThePlanIsTheSame) {
  form();
  driver_.beat("a", v1::PHASE_PREPARING);
  std::string plan = driver_.beat("b").plan().SerializeAsString();
  driver_.restart_server(1000);
  EXPECT_EQ(driver_.beat("b").kind(), v1::Order::KIND_PREPARE);
  EXPECT_EQ(driver_.order("b").plan().SerializeAsString(), plan);
  driver_.beat("a", v1::PHASE_READY);
  EXPECT_EQ(driver_.kind("a"), v1::Order::KIND_WAIT);
  driver_.beat("b", v1::PHASE_READY);
  EXPECT_EQ(driver_.kind("a"), v1::Order::KIND_START);
}

TEST_F(CoordinatorRestore, WhileRunningTheGenerationGoesOn) {
  run();
  driver_.restart_server(2900);
  beat_all();
  EXPECT_EQ(driver_.state(), State::running);
  EXPECT_EQ(driver_.coordinator().generation(), 1);
  driver_.wait(5000);
  EXPECT_EQ(driver_.state(), State::running);
  driver_.all(v1::PHASE_DONE);
  EXPECT_EQ(driver_.coordinator().exit_code(), 0);
}

TEST_F(CoordinatorRestore, WhoDoesNotComeBackIsLost) {
  run();
  driver_.restart_server(1000);
  driver_.agent("b").silent = true;
  driver_.wait(2700);
  EXPECT_EQ(driver_.state(), State::ending);
  driver_.beat("a", v1::PHASE_ENDED);
  driver_.join("c");
  driver_.wait(1800);
  EXPECT_EQ(driver_.state(), State::preparing);
  EXPECT_EQ(driver_.plan(), (Hosts{"a", "c"}));
}

TEST_F(CoordinatorRestore, WhileEndingTheReasonStays) {
  run();
  driver_.fail("a", failure_of(v1::Failure::KIND_EXIT, 7, 100));
  driver_.restart_server(1000);
  EXPECT_EQ(driver_.state(), State::ending);
  EXPECT_EQ(driver_.beat("b").kind(), v1::Order::KIND_END);
  EXPECT_EQ(driver_.order("b").reason(), "rank 0 failed");
  driver_.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver_.restarts(), 1);
}

// The node whose failure ended the generation is gone when its end is judged.
TEST_F(CoordinatorRestore, TheCauseOfAnEndingOutlivesItsNodeAndTheServer) {
  run();
  driver_.fail("a", failure_of(v1::Failure::KIND_EXIT, 2, 100));
  driver_.beat("a", v1::PHASE_ENDED);
  driver_.leave("a");
  driver_.restart_server(1000);
  driver_.fail("b", failure_of(v1::Failure::KIND_LAPSED, 0, 200), v1::PHASE_ENDED);
  driver_.wait(5000);
  EXPECT_EQ(driver_.state(), State::finished);
  EXPECT_EQ(driver_.coordinator().exit_code(), 2);
}

TEST_F(CoordinatorRestore, ALossHoldsTheNextGenerationAnew) {
  driver_.join("c");
  driver_.start_all();
  driver_.agent("c").silent = true;
  driver_.wait(2700);
  driver_.restart_server(0);
  driver_.all(v1::PHASE_ENDED);
  driver_.wait(4400);
  EXPECT_EQ(driver_.state(), State::ending);
  driver_.wait(200);
  EXPECT_EQ(driver_.state(), State::preparing);
  EXPECT_EQ(driver_.restarts(), 1);
}

// The snapshot no longer knows the lost member, whose number would be the next.
TEST_F(CoordinatorRestore, ANewcomerNeverTakesTheNumberOfALostMemberOfThePlan) {
  driver_.join("c");
  driver_.start_all();
  uint64_t lost = driver_.agent("c").member;
  driver_.agent("c").silent = true;
  driver_.wait(2700);
  driver_.restart_server(0);
  driver_.restart_server(0);
  driver_.join("d");
  EXPECT_NE(driver_.agent("d").member, lost);
  driver_.restart_server(0);
  // d has never had a rank, and c may still have.
  EXPECT_EQ(driver_.plan(), (Hosts{"b", "a"}));
  driver_.all(v1::PHASE_ENDED);
  driver_.wait(4400);
  EXPECT_EQ(driver_.state(), State::ending);
}

TEST_F(CoordinatorRestore, DrainingAndRestartsAreKept) {
  run();
  driver_.fail("a", failure_of(v1::Failure::KIND_EXIT, 7, 100));
  driver_.all(v1::PHASE_ENDED);
  driver_.restart_server(1000);
  EXPECT_EQ(driver_.restarts(), 1);
  driver_.drain("maintenance");
  driver_.restart_server(1000);
  driver_.all(v1::PHASE_ENDED);
  EXPECT_EQ(driver_.state(), State::finished);
  EXPECT_EQ(driver_.coordinator().finish().reason(), "stopped: maintenance");
}

TEST_F(CoordinatorRestore, RanksThatAreKilledGetNoNewTimeToStop) {
  run();
  driver_.join("c");
  driver_.wait(1100 + 60'100);
  EXPECT_FALSE(driver_.order("a").graceful());
  driver_.restart_server(1000);
  EXPECT_EQ(driver_.beat("a").kind(), v1::Order::KIND_END);
  EXPECT_FALSE(driver_.order("a").graceful());
}

TEST_F(CoordinatorRestore, AFinishedJobStaysFinished) {
  run();
  driver_.all(v1::PHASE_DONE);
  driver_.restart_server(1000);
  EXPECT_EQ(driver_.beat("a").kind(), v1::Order::KIND_FINISH);
  EXPECT_EQ(driver_.order("a").exit_code(), 0);
}

TEST_F(CoordinatorRestore, ValuesAreKept) {
  v1::PutRequest put;
  put.set_key("k");
  put.set_value("v");
  driver_.call<PutCall>(put);
  driver_.restart_server(1000);
  v1::GetRequest get;
  get.set_key("k");
  auto answer = driver_.call<GetCall>(get);
  EXPECT_EQ(std::get<v1::GetReply>(answer->reply).value(), "v");
}

}  // namespace
}  // namespace tessera::rendezvous
