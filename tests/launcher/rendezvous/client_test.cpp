// Clients of the rendezvous over real gRPC, which come back by themselves.
#include "launcher/rendezvous/client.h"

#include "tests/launcher/rendezvous/server_fixture.h"
#include "tests/support/error_of.h"
#include "tests/support/free_port.h"
#include "tests/support/temp_dir.h"

namespace tessera::rendezvous {
namespace {

using test::contains;
using test::free_port;
using test::TempDir;

class ClientTest : public ServerTest {};

TEST_F(ClientTest, ClientsGetTheirPlanAndStartTogether) {
  start();
  run_agents(3);
  const v1::Plan& plan = agents_.front()->plan();
  EXPECT_EQ(plan.generation(), 1);
  EXPECT_EQ(plan.world_size(), 3);
  for (const auto& agent : agents_) {
    EXPECT_EQ(agent->plan().SerializeAsString(), plan.SerializeAsString());
    EXPECT_EQ(agent->num_joins(), 1);
    EXPECT_EQ(agent->num_connections(), 1);
  }
  for (const auto& agent : agents_) agent->set_phase(v1::PHASE_DONE);
  EXPECT_FALSE(server_->wait_for_end(0));
  auto finished = [&] {
    return std::all_of(agents_.begin(), agents_.end(), [](const auto& agent) {
      return agent->order().kind() == v1::Order::KIND_FINISH;
    });
  };
  EXPECT_TRUE(pump_until(agents_, finished));
  for (const auto& agent : agents_) agent->client().leave("the job is over", 5000);
  EXPECT_TRUE(server_->wait_for_end(5000));
  EXPECT_EQ(server_->finish().exit_code(), 0);
}

TEST_F(ClientTest, AClientWithTheWrongTokenIsTurnedAway) {
  options_.credentials.token = std::string(32, 't');
  start();
  options_.credentials.token = std::string(32, 'u');
  add_agents(1, job_of(1, 1));
  EXPECT_TRUE(pump_until(agents_, [&] { return !agents_[0]->turned_away().empty(); }));
  EXPECT_EQ(agents_[0]->turned_away(), "expected the job's token");
}

TEST_F(ClientTest, AnAgentOfAnotherJobIsTurnedAway) {
  start();
  add_agents(1, job_of(2, 2));
  ASSERT_TRUE(pump_until(agents_, [&] { return agents_[0]->member() != 0; }));
  TestAgent other("other", options_.port);
  other.join(job_of(1, 2));
  EXPECT_TRUE(pump_until(agents_, [&] {
    other.pump();
    return !other.turned_away().empty();
  }));
  EXPECT_TRUE(contains(other.turned_away(), "the job is of 2 to 2 nodes"));
}

TEST_F(ClientTest, ANodeThatIsStartedAnewGetsItsPlaceWhenItsFormerSelfIsLost) {
  start();
  v1::JoinRequest request = join_request("former", job_of(2, 2));
  request.mutable_node()->set_node_rank(1);
  v1::JoinReply reply;
  ASSERT_TRUE(stub_->Join(context().get(), request, &reply).ok());
  Client client({"127.0.0.1", options_.port}, {});
  request.set_secret("another" + request.secret());
  client.join(request);
  std::vector<FromServer> messages;
  EXPECT_TRUE(pump_until({}, [&] {
    for (FromServer& message : client.mailbox().take_all()) messages.push_back(message);
    return messages.size() >= 2;
  }));
  EXPECT_EQ(std::get<NotYet>(messages.at(0)).text, "node rank 1 is taken");
  EXPECT_TRUE(std::holds_alternative<Joined>(messages.at(1)));
}

TEST_F(ClientTest, AnAgentThatCannotReachItSaysWhyAndTriesOn) {
  options_.port = free_port();
  add_agents(1, job_of(1, 1));
  EXPECT_TRUE(pump_until(agents_, [&] { return !agents_[0]->not_yet().empty(); }));
  EXPECT_TRUE(contains(agents_[0]->not_yet(), "Connection refused")) << agents_[0]->not_yet();
  start();
  EXPECT_TRUE(pump_until(agents_, [&] { return agents_[0]->member() != 0; }));
}

TEST_F(ClientTest, ANodeRankThatIsTakenForLongTurnsItsNodeAway) {
  start();
  for (const char* host : {"first", "second"}) {
    agents_.push_back(std::make_unique<TestAgent>(host, options_.port));
    agents_.back()->join(job_of(2, 2), 1);
    TestAgent& newest = *agents_.back();
    ASSERT_TRUE(
        pump_until(agents_, [&] { return newest.member() != 0 || !newest.turned_away().empty(); }));
  }
  EXPECT_EQ(agents_.front()->turned_away(), "");
  EXPECT_EQ(agents_.back()->turned_away(), "node rank 1 is taken");
}

TEST_F(ClientTest, ClientsComeBackToAServerThatIsStartedAnew) {
  TempDir folder;
  options_.journal = folder / "journal";
  start();
  run_agents(3);
  std::string job_id = server_->status().job_id();
  // Of the first fence one node knows the end, and of the second nobody.
  for (int place : {0, 1, 2}) at_place(place).enter_fence("old", {0, 1, 2}, std::to_string(place));
  ASSERT_TRUE(fence_is_over("old"));
  at_place(0).enter_fence("f", {0, 1, 2}, "a");
  at_place(1).enter_fence("f", {0, 1, 2}, "b");
  pump_until(
      agents_, [] { return false; }, 1);
  restart();
  ASSERT_TRUE(pump_until(agents_, [&] { return server_->status().state() == "running"; }));
  at_place(2).enter_fence("f", {0, 1, 2}, "c");
  ASSERT_TRUE(fence_is_over("f"));
  for (const auto& agent : agents_) {
    EXPECT_TRUE(agent->fences().at("f").ok);
    EXPECT_EQ(agent->fences().at("f").data, "abc");
    EXPECT_EQ(agent->num_joins(), 1);
    EXPECT_GE(agent->num_connections(), 2);
    EXPECT_EQ(agent->phase(), v1::PHASE_RUNNING);
  }
  EXPECT_EQ(server_->status().generation(), 1);
  EXPECT_EQ(server_->status().job_id(), job_id);
  EXPECT_EQ(server_->status().restarts(), 0);
}

TEST_F(ClientTest, ManyClientsComeBackWithinTheirLease) {
  TempDir folder;
  options_.journal = folder / "journal";
  start();
  run_agents(20);
  auto begin = std::chrono::steady_clock::now();
  restart();
  ASSERT_TRUE(pump_until(agents_, [&] { return server_->status().state() == "running"; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  EXPECT_EQ(server_->status().generation(), 1);
  EXPECT_TRUE(all_are(agents_, v1::PHASE_RUNNING));
}

TEST_F(ClientTest, ClientsWaitForAServerThatComesLater) {
  start();
  server_.reset();
  add_agents(2, job_of(2, 2));
  pump_until(
      agents_, [] { return false; }, 1);
  server_.emplace(options_);
  EXPECT_TRUE(pump_until(agents_, [&] { return all_are(agents_, v1::PHASE_RUNNING); }));
}

TEST_F(ClientTest, AClientThatWaitsForAServerEndsAtOnce) {
  start();
  server_.reset();
  add_agents(1, job_of(1, 1));
  pump_until(
      agents_, [] { return false; }, 1);
  auto begin = std::chrono::steady_clock::now();
  agents_.clear();
  // And not when its attempt to join times out.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace tessera::rendezvous
