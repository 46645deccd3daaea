// The rendezvous over real gRPC, and clients that come back by themselves.
#include "launcher/rendezvous/server.h"

#include <grpcpp/generic/generic_stub.h>
#include <sys/resource.h>

#include <csignal>
#include <future>
#include <optional>
#include <thread>

#include "launcher/rendezvous/authority.h"
#include "tests/launcher/rendezvous/raw_connection.h"
#include "tests/launcher/rendezvous/test_agent.h"
#include "tests/support/error_of.h"
#include "tests/support/free_port.h"
#include "tests/support/temp_dir.h"

namespace tessera::rendezvous {
namespace {

using test::contains;
using test::error_of;
using test::free_port;
using test::TempDir;

// A server on a free port, and one stub that knows the credentials.
class ServerTest : public testing::Test {
 protected:
  void start() {
    server_.emplace(options_);
    options_.port = server_->port();
    stub_ = new_stub(options_.credentials);
  }
  // As a new process would.
  void restart() {
    server_.reset();
    server_.emplace(options_);
  }

  std::shared_ptr<grpc::Channel> channel(const Credentials& credentials) {
    return make_channel({"127.0.0.1", options_.port}, credentials);
  }
  std::unique_ptr<v1::Rendezvous::Stub> new_stub(const Credentials& credentials) {
    return v1::Rendezvous::NewStub(channel(credentials));
  }
  std::unique_ptr<grpc::ClientContext> context(Millis timeout_ms = 5000) {
    return make_context(options_.credentials, timeout_ms);
  }

  void add_agents(int count, const v1::Job& job) {
    for (int i = 0; i < count; ++i) {
      agents_.push_back(std::make_unique<TestAgent>("node" + std::to_string(i), options_.port,
                                                    options_.credentials));
      agents_.back()->join(job);
    }
  }
  // Agents whose ranks run.
  void run_agents(int count) {
    add_agents(count, job_of(count, count));
    ASSERT_TRUE(pump_until(agents_, [&] { return all_are(agents_, v1::PHASE_RUNNING); }));
  }
  // The agent of that place in the plan.
  TestAgent& at_place(int place) {
    uint64_t member = agents_.front()->plan().members(place);
    auto found = std::find_if(agents_.begin(), agents_.end(),
                              [&](const auto& agent) { return agent->member() == member; });
    return **found;
  }
  bool fence_is_over(const std::string& key) {
    return pump_until(agents_, [&] {
      return std::all_of(agents_.begin(), agents_.end(),
                         [&](const auto& agent) { return agent->fences().count(key) > 0; });
    });
  }

  grpc::Status put(const std::string& key, const std::string& value) {
    v1::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    v1::PutReply reply;
    return stub_->Put(context().get(), request, &reply);
  }
  grpc::Status get(const std::string& key, Millis wait_ms, std::string& value) {
    v1::GetRequest request;
    request.set_key(key);
    request.set_wait_ms(wait_ms);
    v1::GetReply reply;
    grpc::Status status = stub_->Get(context().get(), request, &reply);
    value = reply.value();
    return status;
  }
  // Sends and receives one message of a method that this program has no stub for.
  grpc::Status call_by_name(const std::string& method, const std::string& request,
                            std::string& reply) {
    grpc::GenericStub stub(channel(options_.credentials));
    grpc::Slice slice(request);
    grpc::ByteBuffer sent(&slice, 1);
    grpc::ByteBuffer received;
    std::promise<grpc::Status> status;
    auto call = context();
    stub.UnaryCall(call.get(), method, grpc::StubOptions(), &sent, &received,
                   [&](grpc::Status result) { status.set_value(std::move(result)); });
    grpc::Status result = status.get_future().get();
    grpc::Slice whole;
    if (result.ok() && received.DumpToSingleSlice(&whole).ok()) {
      reply.assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
    }
    return result;
  }

  ServerOptions options_;
  std::optional<Server> server_;
  std::unique_ptr<v1::Rendezvous::Stub> stub_;
  TestAgents agents_;
};

TEST_F(ServerTest, ClientsGetTheirPlanAndStartTogether) {
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

TEST_F(ServerTest, FencesGiveEveryNodeTheDataOfAll) {
  start();
  run_agents(3);
  at_place(2).enter_fence("first", {0, 1, 2}, "c");
  at_place(0).enter_fence("first", {0, 1, 2}, std::string("a\0", 2));
  at_place(1).enter_fence("first", {0, 1, 2}, "bb");
  at_place(0).enter_fence("pair", {0, 2}, "x");
  at_place(2).enter_fence("pair", {0, 2}, "y");
  at_place(1).enter_fence("pair", {1}, "alone");
  ASSERT_TRUE(fence_is_over("first"));
  ASSERT_TRUE(fence_is_over("pair"));
  for (const auto& agent : agents_) {
    EXPECT_TRUE(agent->fences().at("first").ok);
    EXPECT_EQ(agent->fences().at("first").data, std::string("a\0bbc", 5));
  }
  EXPECT_EQ(at_place(0).fences().at("pair").data, "xy");
  EXPECT_EQ(at_place(1).fences().at("pair").data, "alone");
}

TEST_F(ServerTest, AFenceThatCannotBeIsOverAtOnce) {
  start();
  run_agents(2);
  for (const auto& agent : agents_) agent->enter_fence("f", {0, 7}, "x");
  ASSERT_TRUE(fence_is_over("f"));
  EXPECT_FALSE(agents_[0]->fences().at("f").ok);
}

TEST_F(ServerTest, AFenceWithTooMuchDataIsOverAtOnce) {
  start();
  run_agents(1);
  agents_[0]->enter_fence("f", {0}, std::string(size_t{5} << 20, 'x'));
  ASSERT_TRUE(fence_is_over("f"));
  EXPECT_FALSE(agents_[0]->fences().at("f").ok);
}

TEST_F(ServerTest, ValuesCanBeWaitedFor) {
  start();
  std::string value;
  EXPECT_EQ(get("k", 0, value).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(get("k", 50, value).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  auto waiting = std::async(std::launch::async, [&] {
    std::string got;
    EXPECT_TRUE(get("k", 4000, got).ok());
    return got;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(put("k", "v").ok());
  EXPECT_EQ(waiting.get(), "v");
  EXPECT_TRUE(get("k", 0, value).ok());
  EXPECT_EQ(value, "v");
}

TEST_F(ServerTest, EventsAreReadToTheirEndOrFollowed) {
  start();
  run_agents(2);
  v1::EventsRequest request;
  auto reading = context();
  auto reader = stub_->Events(reading.get(), request);
  std::vector<v1::Event> events;
  for (v1::Event event; reader->Read(&event);) events.push_back(event);
  EXPECT_TRUE(reader->Finish().ok());
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events[0].number(), 1u);
  EXPECT_TRUE(contains(events[0].text(), "joined with 1 slots"));
  EXPECT_EQ(events.back().generation(), 1);
  EXPECT_GT(events.back().time_ms(), 1'600'000'000'000);

  request.set_from(events.size() + 1);
  request.set_follow(true);
  auto following = context();
  reader = stub_->Events(following.get(), request);
  v1::DrainRequest drain;
  drain.set_reason("maintenance");
  v1::DrainReply reply;
  ASSERT_TRUE(stub_->Drain(context().get(), drain, &reply).ok());
  v1::Event event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.number(), events.size() + 1);
  EXPECT_EQ(event.text(), "asked to stop: maintenance");
  following->TryCancel();
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// Readers that do not follow must see everything while more happens.
TEST_F(ServerTest, EventsAreNotCutShortByNewOnes) {
  start();
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    for (int i = 0; i < 800 && !stop; ++i) {
      v1::JoinReply reply;
      v1::JoinRequest join = join_request("n" + std::to_string(i), job_of(900, 900));
      if (!stub_->Join(context().get(), join, &reply).ok()) break;
    }
  });
  uint64_t last = 0;
  for (int i = 0; i < 50; ++i) {
    auto reading = context(20'000);
    auto reader = stub_->Events(reading.get(), v1::EventsRequest());
    uint64_t number = 0;
    for (v1::Event event; reader->Read(&event);) number = event.number();
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_GE(number, last);
    last = number;
  }
  stop = true;
  busy.join();
}

TEST_F(ServerTest, StatusAndDrainAreThereForThoseWhoAsk) {
  start();
  run_agents(2);
  v1::StatusReply status;
  ASSERT_TRUE(stub_->Status(context().get(), v1::StatusRequest(), &status).ok());
  EXPECT_EQ(status.state(), "running");
  EXPECT_EQ(status.members_size(), 2);
  EXPECT_EQ(status.job_id(), server_->status().job_id());
  v1::DrainRequest drain;
  drain.set_reason("maintenance");
  v1::DrainReply reply;
  ASSERT_TRUE(stub_->Drain(context().get(), drain, &reply).ok());
  EXPECT_TRUE(pump_until(agents_, [&] {
    return agents_[0]->order().kind() == v1::Order::KIND_FINISH &&
           agents_[1]->order().kind() == v1::Order::KIND_FINISH;
  }));
  EXPECT_EQ(agents_[0]->order().exit_code(), 75);
  EXPECT_EQ(agents_[1]->order().reason(), "stopped: maintenance");
}

TEST_F(ServerTest, HealthAndReflectionAnswer) {
  start();
  std::string reply;
  ASSERT_TRUE(call_by_name("/grpc.health.v1.Health/Check", "", reply).ok());
  EXPECT_EQ(reply, "\x08\x01");  // SERVING
  ASSERT_TRUE(call_by_name("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                           std::string("\x3a\x00", 2), reply)  // list_services
                  .ok());
  EXPECT_TRUE(contains(reply, "tessera.rendezvous.v1.Rendezvous"));
  EXPECT_EQ(call_by_name("/tessera.rendezvous.v1.Rendezvous/Nothing", "", reply).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ServerTest, WithoutTheTokenAllCallsAreRefusedAndCounted) {
  options_.credentials.token = std::string(32, 't');
  start();
  for (const std::string& token : {std::string(), std::string(32, 'u'), std::string(33, 't')}) {
    uint64_t before = server_->status().refused();
    Credentials wrong;
    wrong.token = token;
    v1::StatusReply status;
    EXPECT_EQ(stub_->Status(make_context(wrong, 5000).get(), {}, &status).error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
    v1::JoinReply reply;
    EXPECT_EQ(stub_->Join(make_context(wrong, 5000).get(), join_request("a", job_of(1, 1)), &reply)
                  .error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
    auto beating = make_context(wrong, 5000);
    EXPECT_EQ(stub_->Heartbeat(beating.get())->Finish().error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
    auto reading = make_context(wrong, 5000);
    EXPECT_EQ(stub_->Events(reading.get(), {})->Finish().error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(server_->status().refused(), before + 4);
  }
  auto twice = context();
  twice->AddMetadata(kTokenMetadata, options_.credentials.token);
  v1::StatusReply status;
  EXPECT_EQ(stub_->Status(twice.get(), {}, &status).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(stub_->Status(context().get(), {}, &status).ok());
  run_agents(1);
}

TEST_F(ServerTest, AClientWithTheWrongTokenIsTurnedAway) {
  options_.credentials.token = std::string(32, 't');
  start();
  options_.credentials.token = std::string(32, 'u');
  add_agents(1, job_of(1, 1));
  EXPECT_TRUE(pump_until(agents_, [&] { return !agents_[0]->turned_away().empty(); }));
  EXPECT_EQ(agents_[0]->turned_away(), "expected the job's token");
}

TEST_F(ServerTest, AnAgentOfAnotherJobIsTurnedAway) {
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

TEST_F(ServerTest, ANodeThatIsStartedAnewGetsItsPlaceWhenItsFormerSelfIsLost) {
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

TEST_F(ServerTest, StrangersDoNotPushOutWhoMadeAGoodCall) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    if (host == std::string("::1") && !has_ipv6()) continue;
    options_.host = host;
    options_.port = 0;
    server_.emplace(options_);
    auto channel = make_channel({host, server_->port()}, {});
    v1::StatusReply status;
    ASSERT_TRUE(v1::Rendezvous::NewStub(channel)->Status(context().get(), {}, &status).ok());
    // Older than all that come now, so as a stranger it would be the first that has to go.
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    std::vector<Descriptor> strangers;
    for (int i = 0; i < 400; ++i) strangers.push_back(connect_to(server_->port(), host));
    EXPECT_TRUE(pump_until({}, [&] { return server_->status().refused() > 0; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(channel->GetState(false), GRPC_CHANNEL_READY) << host;
  }
}

TEST_F(ServerTest, AnAgentThatCannotReachItSaysWhyAndTriesOn) {
  options_.port = free_port();
  add_agents(1, job_of(1, 1));
  EXPECT_TRUE(pump_until(agents_, [&] { return !agents_[0]->not_yet().empty(); }));
  EXPECT_TRUE(contains(agents_[0]->not_yet(), "Connection refused")) << agents_[0]->not_yet();
  start();
  EXPECT_TRUE(pump_until(agents_, [&] { return agents_[0]->member() != 0; }));
}

TEST_F(ServerTest, ANodeRankThatIsTakenForLongTurnsItsNodeAway) {
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

TEST_F(ServerTest, MutualTlsLetsOnlyNodesOfTheJobIn) {
  TempDir folder;
  make_authority(folder / "own");
  make_authority(folder / "foreign");
  options_.credentials = load_credentials({.folder = folder / "own"});
  start();
  run_agents(2);
  v1::StatusReply status;
  // The right token is worth nothing without a certificate that goes with it.
  Credentials foreign = load_credentials({.folder = folder / "foreign"});
  foreign.token = options_.credentials.token;
  uint64_t before = server_->status().refused();
  EXPECT_EQ(new_stub(foreign)->Status(context(1000).get(), {}, &status).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(pump_until(agents_, [&] { return server_->status().refused() > before; }));
  before = server_->status().refused();
  EXPECT_FALSE(new_stub({})->Status(context(1000).get(), {}, &status).ok());
  EXPECT_TRUE(pump_until(agents_, [&] { return server_->status().refused() > before; }));
  EXPECT_TRUE(stub_->Status(context().get(), {}, &status).ok());
  EXPECT_EQ(status.state(), "running");
}

TEST_F(ServerTest, ClientsComeBackToAServerThatIsStartedAnew) {
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

TEST_F(ServerTest, ManyClientsComeBackWithinTheirLease) {
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

TEST_F(ServerTest, ClientsWaitForAServerThatComesLater) {
  start();
  server_.reset();
  add_agents(2, job_of(2, 2));
  pump_until(
      agents_, [] { return false; }, 1);
  server_.emplace(options_);
  EXPECT_TRUE(pump_until(agents_, [&] { return all_are(agents_, v1::PHASE_RUNNING); }));
}

TEST_F(ServerTest, AClientThatWaitsForAServerEndsAtOnce) {
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

TEST_F(ServerTest, AJournalOfAJobThatIsOverBeginsAnother) {
  TempDir folder;
  options_.journal = folder / "journal";
  start();
  std::string job_id = server_->status().job_id();
  v1::DrainReply reply;
  ASSERT_TRUE(stub_->Drain(context().get(), {}, &reply).ok());
  EXPECT_TRUE(server_->wait_for_end(5000));
  restart();
  EXPECT_NE(server_->status().job_id(), job_id);
  run_agents(1);
}

TEST_F(ServerTest, AnAddressInUseIsAnError) {
  start();
  std::string error = error_of([&] { Server other(options_); });
  EXPECT_TRUE(contains(error, "cannot listen on 127.0.0.1:" + std::to_string(options_.port)));
  EXPECT_TRUE(contains(error, "already in use"));
}

TEST_F(ServerTest, AJournalInUseIsAnError) {
  TempDir folder;
  options_.journal = folder / "journal";
  start();
  options_.port = 0;
  EXPECT_TRUE(contains(error_of([&] { Server other(options_); }), "another server has this"));
}

TEST_F(ServerTest, OthersCannotReachAServerWithoutCredentials) {
  TempDir folder;
  for (const char* host : {"0.0.0.0", "::", "192.0.2.1", "example.org"}) {
    options_.host = host;
    options_.journal = folder / "journal";
    EXPECT_TRUE(contains(error_of([&] { Server server(options_); }), host));
  }
  EXPECT_TRUE(folder.names().empty());
  EXPECT_TRUE(contains(error_of([] { Client client({"192.0.2.1", 7}, {}); }), "192.0.2.1"));
}

// Limits how large files of this process may get, for as long as it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*handler_)(int);
};

TEST_F(ServerTest, WhatIsNotInTheJournalIsNotAnswered) {
  TempDir folder;
  options_.journal = folder / "journal";
  start();
  EXPECT_EQ(server_->failure(), "");
  ASSERT_TRUE(put("k", "v").ok());
  {
    FileSizeLimit limit(folder.read("journal").size());
    EXPECT_EQ(put("k", "w").error_message(), "the server has failed");
    EXPECT_TRUE(server_->wait_for_end(0));
    EXPECT_TRUE(contains(server_->failure(), "cannot write the journal"));
    EXPECT_EQ(put("k", "x").error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  restart();
  std::string value;
  stub_ = new_stub({});
  EXPECT_TRUE(get("k", 0, value).ok());
  EXPECT_EQ(value, "v");
}

}  // namespace
}  // namespace tessera::rendezvous
