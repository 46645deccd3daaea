// A server of the rendezvous over real gRPC in this process, and agents that meet there.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "launcher/rendezvous/server.h"
#include "tests/launcher/rendezvous/test_agent.h"

namespace tessera::rendezvous {

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

}  // namespace tessera::rendezvous
