// The rendezvous over real gRPC.
#include "launcher/rendezvous/server.h"

#include <sys/resource.h>

#include <csignal>
#include <future>
#include <thread>

#include "launcher/rendezvous/authority.h"
#include "tests/launcher/rendezvous/raw_connection.h"
#include "tests/launcher/rendezvous/server_fixture.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::rendezvous {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

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
