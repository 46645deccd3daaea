// Members, generations and their ends where nothing goes wrong.
#include "launcher/rendezvous/coordinator.h"

#include <functional>

#include "tests/launcher/rendezvous/coordinator_driver.h"
#include "tests/support/error_of.h"

namespace tessera::rendezvous {
namespace {

using test::contains;
using Hosts = std::vector<std::string>;

v1::Job two_nodes() { return CoordinatorDriver::job(2, 2); }

TEST(CoordinatorJoin, ARepeatedSecretGivesTheSameMember) {
  CoordinatorDriver driver(two_nodes());
  v1::JoinRequest request = CoordinatorDriver::request("a", two_nodes());
  auto first = driver.call<JoinCall>(request);
  size_t num_records = driver.journal().size();
  auto second = driver.call<JoinCall>(request);
  const auto& reply = std::get<v1::JoinReply>(first->reply);
  EXPECT_EQ(reply.member(), std::get<v1::JoinReply>(second->reply).member());
  EXPECT_EQ(reply.job_id(), "job");
  EXPECT_EQ(reply.started_at(), 7);
  EXPECT_EQ(reply.ranks_secret(), "namespace");
  EXPECT_EQ(reply.lease_ms(), 4000);
  EXPECT_EQ(reply.beat_ms(), 500);
  EXPECT_EQ(driver.coordinator().num_members(), 1u);
  EXPECT_EQ(driver.journal().size(), num_records);
}

TEST(CoordinatorJoin, AnotherJobIsRefused) {
  CoordinatorDriver driver(two_nodes());
  driver.join("a");
  auto answer =
      driver.call<JoinCall>(CoordinatorDriver::request("b", CoordinatorDriver::job(2, 3)));
  EXPECT_EQ(why_refused(answer), Refused::conflict);
  EXPECT_EQ(refusal_of(answer),
            "the job is of 2 to 2 nodes and 3 restarts, this agent's of 2 to 3 nodes and 3 "
            "restarts");
  EXPECT_EQ(driver.coordinator().num_members(), 1u);
}

// One thing that is wrong with a request, and a part of what is said about it.
struct Wrong {
  std::function<void(v1::JoinRequest&)> spoil;
  std::string text;
};

std::vector<Wrong> wrong_nodes() {
  std::vector<Wrong> out;
  for (std::string host : {"", "a,b", "a b", "[a]", "a\n", "a/b", "\xc3\xa4"}) {
    out.push_back({[=](auto& request) { request.mutable_node()->set_host(host); }, "a host of"});
  }
  out.push_back({[](auto& request) { request.mutable_node()->set_host(std::string(256, 'a')); },
                 "a host of"});
  for (std::string address : {"", "a b", "a,b", "[::1]"}) {
    out.push_back(
        {[=](auto& request) { request.mutable_node()->set_address(address); }, "an address"});
  }
  for (int slots : {0, -1, 4097}) {
    out.push_back({[=](auto& request) { request.mutable_node()->set_slots(slots); }, "ranks on"});
  }
  for (int port : {-1, 65536}) {
    out.push_back({[=](auto& request) { request.mutable_node()->set_port(port); }, "a port"});
  }
  for (int rank : {-2, 100'000}) {
    out.push_back(
        {[=](auto& request) { request.mutable_node()->set_node_rank(rank); }, "a node rank"});
  }
  return out;
}

std::vector<Wrong> wrong_jobs() {
  std::vector<Wrong> out;
  for (auto nodes : {std::pair(0, 1), {2, 1}, {1, 100'001}, {-1, -1}}) {
    out.push_back({[=](auto& request) {
                     *request.mutable_job() = CoordinatorDriver::job(nodes.first, nodes.second);
                   },
                   "nodes"});
  }
  out.push_back({[](auto& request) { request.mutable_job()->set_max_restarts(-1); }, "restarts"});
  for (size_t bytes : {size_t{0}, size_t{15}, size_t{65}}) {
    out.push_back(
        {[=](auto& request) { request.set_secret(std::string(bytes, 's')); }, "a secret of"});
  }
  return out;
}

TEST(CoordinatorJoin, WhatIsWrongIsRefusedAndChangesNothing) {
  std::vector<Wrong> all = wrong_nodes();
  std::vector<Wrong> jobs = wrong_jobs();
  all.insert(all.end(), jobs.begin(), jobs.end());
  CoordinatorDriver driver(two_nodes());
  for (const Wrong& wrong : all) {
    v1::JoinRequest request = CoordinatorDriver::request("a", two_nodes());
    wrong.spoil(request);
    auto answer = driver.call<JoinCall>(request);
    EXPECT_EQ(why_refused(answer), Refused::bad_argument) << request.ShortDebugString();
    EXPECT_TRUE(contains(refusal_of(answer), wrong.text));
  }
  EXPECT_EQ(driver.coordinator().num_members(), 0u);
  EXPECT_TRUE(driver.journal().empty());
}

TEST(CoordinatorJoin, ANodeRankIsTakenUntilItsNodeGoes) {
  CoordinatorDriver driver(two_nodes());
  driver.join("a", 1);
  v1::JoinRequest other = CoordinatorDriver::request("b", two_nodes(), 1);
  EXPECT_EQ(refusal_of(driver.call<JoinCall>(other)), "node rank 1 is taken");
  driver.leave("a");
  EXPECT_EQ(refusal_of(driver.call<JoinCall>(other)), "");
}

TEST(CoordinatorJoin, ThoseWhoAreNoMembersAreFenced) {
  CoordinatorDriver driver(CoordinatorDriver::job(2, 2));
  driver.join("a");
  v1::Beat beat = driver.next_beat("a");
  beat.set_secret("another");
  beat.set_phase(v1::PHASE_FAILED);
  Outputs outputs = driver.step(BeatCall{77, beat});
  ASSERT_EQ(outputs.size(), 1u);
  const auto& sent = std::get<SendOrder>(outputs.front());
  EXPECT_EQ(sent.stream, 77u);
  EXPECT_EQ(sent.order.kind(), v1::Order::KIND_FENCED);
  EXPECT_EQ(sent.order.acknowledged(), beat.sequence());
  // The member that was meant goes on.
  EXPECT_EQ(driver.beat("a").kind(), v1::Order::KIND_WAIT);
  EXPECT_EQ(driver.order("a").acknowledged(), driver.agent("a").sequence);
}

TEST(CoordinatorForm, NodeRanksOrderThePlanAndTheOthersFollowAsTheyCame) {
  CoordinatorDriver driver(CoordinatorDriver::job(4, 4));
  driver.join("d");
  driver.join("b", 1);
  driver.join("a", 0);
  driver.join("c");
  EXPECT_EQ(driver.plan(), (Hosts{"a", "b", "d", "c"}));
  const v1::Plan& plan = driver.beat("a").plan();
  EXPECT_EQ(plan.generation(), 1);
  EXPECT_EQ(plan.world_size(), 8);
  EXPECT_EQ(plan.restarts(), 0);
  ASSERT_EQ(plan.members_size(), 4);
  EXPECT_EQ(plan.members(0), driver.agent("a").member);
  EXPECT_EQ(plan.nodes(0).port(), 29500);
}

TEST(CoordinatorForm, AFixedNumberOfNodesDoesNotWait) {
  CoordinatorDriver driver(two_nodes());
  driver.join("a");
  EXPECT_EQ(driver.state(), State::gathering);
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_WAIT);
  EXPECT_EQ(driver.order("a").reason(), "1 of 2 nodes are there");
  driver.join("b");
  EXPECT_EQ(driver.state(), State::preparing);
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_PREPARE);
  EXPECT_EQ(driver.kind("b"), v1::Order::KIND_PREPARE);
}

TEST(CoordinatorForm, AnElasticJobWaitsForOneMoreNodeAfterEveryOne) {
  CoordinatorDriver driver(CoordinatorDriver::job(1, 3));
  driver.join("a");
  driver.wait(900);
  driver.join("b");
  driver.wait(900);
  EXPECT_EQ(driver.state(), State::gathering);
  driver.wait(200);
  EXPECT_EQ(driver.state(), State::preparing);
  EXPECT_EQ(driver.plan(), (Hosts{"a", "b"}));
}

TEST(CoordinatorForm, AnElasticJobThatIsFullDoesNotWait) {
  CoordinatorDriver driver(CoordinatorDriver::job(1, 2));
  driver.join("a");
  driver.join("b");
  EXPECT_EQ(driver.state(), State::preparing);
}

TEST(CoordinatorForm, WhoComesTooLateForAPlaceWaits) {
  CoordinatorDriver driver(two_nodes());
  driver.join("a");
  driver.join("b");
  driver.join("c", 0);
  driver.start_all();
  driver.wait(5000);
  EXPECT_EQ(driver.state(), State::running);
  EXPECT_EQ(driver.kind("c"), v1::Order::KIND_WAIT);
  EXPECT_EQ(driver.plan(), (Hosts{"a", "b"}));
}

TEST(CoordinatorForm, TooFewNodesEndTheJobAfterAWhile) {
  CoordinatorDriver driver(two_nodes(), {.gather = 10'000});
  driver.join("a");
  driver.wait(9900);
  EXPECT_EQ(driver.state(), State::gathering);
  driver.wait(200);
  EXPECT_EQ(driver.state(), State::finished);
  EXPECT_EQ(driver.kind("a"), v1::Order::KIND_FINISH);
  EXPECT_EQ(driver.order("a").exit_code(), 1);
  EXPECT_EQ(driver.order("a").reason(), "only 1 of 2 nodes came in 10 s");
}

class CoordinatorRun : public testing::Test {
 protected:
  CoordinatorRun() : driver_(two_nodes()) {
    driver_.join("a");
    driver_.join("b");
  }
  CoordinatorDriver driver_;
};

TEST_F(CoordinatorRun, ThePlanIsRepeatedUntilABeatKnowsIt) {
  EXPECT_EQ(driver_.beat("a").kind(), v1::Order::KIND_PREPARE);
  EXPECT_EQ(driver_.order("a").plan().nodes_size(), 2);
  EXPECT_EQ(driver_.beat("a", v1::PHASE_PREPARING).kind(), v1::Order::KIND_WAIT);
  EXPECT_EQ(driver_.order("a").plan().nodes_size(), 0);
  EXPECT_EQ(driver_.kind("b"), v1::Order::KIND_PREPARE);
}

TEST_F(CoordinatorRun, RanksStartWhenAllAreReady) {
  driver_.all(v1::PHASE_PREPARING);
  EXPECT_EQ(driver_.beat("a", v1::PHASE_READY).kind(), v1::Order::KIND_WAIT);
  EXPECT_EQ(driver_.state(), State::preparing);
  EXPECT_EQ(driver_.beat("b", v1::PHASE_READY).kind(), v1::Order::KIND_START);
  EXPECT_EQ(driver_.kind("a"), v1::Order::KIND_START);
  EXPECT_EQ(driver_.order("a").generation(), 1);
  EXPECT_EQ(driver_.state(), State::running);
}

TEST_F(CoordinatorRun, AllRanksDoneIsTheEnd) {
  driver_.start_all();
  EXPECT_EQ(driver_.beat("a", v1::PHASE_DONE).kind(), v1::Order::KIND_START);
  EXPECT_EQ(driver_.beat("b", v1::PHASE_DONE).kind(), v1::Order::KIND_FINISH);
  EXPECT_EQ(driver_.kind("a"), v1::Order::KIND_FINISH);
  EXPECT_EQ(driver_.order("a").exit_code(), 0);
  EXPECT_FALSE(driver_.order("a").has_failure());
  EXPECT_EQ(driver_.coordinator().exit_code(), 0);
  EXPECT_FALSE(driver_.coordinator().finish().has_failure());
}

TEST_F(CoordinatorRun, ARankThatStoppedWithACheckpointEndsTheJobWith75) {
  driver_.start_all();
  driver_.agent("a").stopped = true;
  driver_.all(v1::PHASE_DONE);
  EXPECT_EQ(driver_.state(), State::finished);
  EXPECT_EQ(driver_.coordinator().exit_code(), 75);
  EXPECT_EQ(driver_.order("b").reason(), "stopped: with a checkpoint");
}

TEST_F(CoordinatorRun, OldAndRepeatedBeatsChangeNothing) {
  driver_.start_all();
  v1::Beat old = driver_.next_beat("a");
  driver_.beat("a");
  old.set_phase(v1::PHASE_FAILED);
  EXPECT_TRUE(driver_.step(BeatCall{driver_.agent("a").stream, old}).empty());
  EXPECT_EQ(driver_.state(), State::running);
}

TEST_F(CoordinatorRun, APhaseNeverGoesBackAndOneThatDoesNotExistIsNone) {
  driver_.start_all();
  driver_.beat("a", v1::PHASE_DONE);
  driver_.beat("a", v1::PHASE_PREPARING);
  driver_.beat("b", static_cast<v1::Phase>(99));
  driver_.beat("b", static_cast<v1::Phase>(-1));
  EXPECT_EQ(driver_.state(), State::running);
  driver_.beat("b", v1::PHASE_DONE);
  EXPECT_EQ(driver_.coordinator().exit_code(), 0);
}

TEST_F(CoordinatorRun, ABeatOfAnotherGenerationReportsNothing) {
  driver_.all(v1::PHASE_READY);
  for (int64_t generation : {int64_t{0}, int64_t{2}, int64_t{-1}}) {
    driver_.agent("a").generation = generation;
    driver_.agent("a").phase = v1::PHASE_FAILED;
    EXPECT_EQ(driver_.beat("a").kind(), v1::Order::KIND_START);
  }
}

TEST_F(CoordinatorRun, StatusTellsWhatThereIs) {
  driver_.start_all();
  v1::Beat beat = driver_.next_beat("a");
  beat.add_progress()->set_step(17);
  driver_.step(BeatCall{driver_.agent("a").stream, beat});
  v1::StatusReply status = driver_.coordinator().status(driver_.now() + 40);
  EXPECT_EQ(status.job_id(), "job");
  EXPECT_EQ(status.state(), "running");
  EXPECT_EQ(status.generation(), 1);
  EXPECT_EQ(status.job().min_nodes(), 2);
  ASSERT_EQ(status.members_size(), 2);
  EXPECT_EQ(status.members(0).node().host(), "a");
  EXPECT_EQ(status.members(0).phase(), v1::PHASE_RUNNING);
  EXPECT_EQ(status.members(0).silent_ms(), 40);
  ASSERT_EQ(status.members(0).progress_size(), 1);
  EXPECT_EQ(status.members(0).progress(0).step(), 17);
}

TEST_F(CoordinatorRun, NobodyNewIsTakenWhenTheJobIsOver) {
  driver_.start_all();
  driver_.all(v1::PHASE_DONE);
  auto answer = driver_.call<JoinCall>(CoordinatorDriver::request("c", two_nodes()));
  EXPECT_EQ(why_refused(answer), Refused::aborted);
  EXPECT_EQ(refusal_of(answer), "the job is over");
  driver_.leave("a");
  driver_.leave("b");
  EXPECT_EQ(driver_.coordinator().num_members(), 0u);
}

TEST_F(CoordinatorRun, WhoIsSilentAfterTheEndIsForgotten) {
  driver_.start_all();
  driver_.all(v1::PHASE_DONE);
  driver_.agent("a").silent = driver_.agent("b").silent = true;
  driver_.wait(2700);
  EXPECT_EQ(driver_.coordinator().num_members(), 0u);
  EXPECT_EQ(driver_.coordinator().exit_code(), 0);
}

}  // namespace
}  // namespace tessera::rendezvous
