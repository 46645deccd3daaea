// A node's agent over real gRPC, without ranks: it obeys every order at once.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "launcher/rendezvous/client.h"

namespace tessera::rendezvous {

inline v1::Job job_of(int min_nodes, int max_nodes) {
  v1::Job job;
  job.set_min_nodes(min_nodes);
  job.set_max_nodes(max_nodes);
  job.set_max_restarts(3);
  return job;
}

inline v1::JoinRequest join_request(const std::string& host, const v1::Job& job) {
  v1::JoinRequest request;
  request.mutable_node()->set_host(host);
  request.mutable_node()->set_address("127.0.0.1");
  request.mutable_node()->set_slots(1);
  request.mutable_node()->set_node_rank(-1);
  *request.mutable_job() = job;
  request.set_secret(host + std::string(16, '.'));
  return request;
}

class TestAgent {
 public:
  using Clock = std::chrono::steady_clock;

  TestAgent(std::string host, int port, const Credentials& credentials = {},
            Millis beat_every_ms = 100)
      : host_(std::move(host)), client_({"127.0.0.1", port}, credentials), every_(beat_every_ms) {}

  void join(const v1::Job& job, int node_rank = -1) {
    v1::JoinRequest request = join_request(host_, job);
    request.mutable_node()->set_node_rank(node_rank);
    client_.join(std::move(request));
  }

  // Takes what has come, and beats when it is time. To be called again and again.
  void pump() {
    for (FromServer& message : client_.mailbox().take_all()) {
      std::visit([&](auto& any) { take(any); }, message);
    }
    if (member_ != 0 && Clock::now() - last_beat_ >= every_) beat();
  }

  void enter_fence(const std::string& key, const std::vector<int>& participants,
                   const std::string& data) {
    v1::FenceRequest request;
    request.set_member(member_);
    request.set_secret(host_ + std::string(16, '.'));
    request.set_generation(generation_);
    request.set_key(key);
    for (int each : participants) request.add_participants(each);
    request.set_data(data);
    client_.fence(std::move(request));
  }

  Client& client() { return client_; }
  const std::string& host() const { return host_; }
  MemberId member() const { return member_; }
  v1::Phase phase() const { return phase_; }
  const v1::Plan& plan() const { return plan_; }
  // The last order that was no KIND_WAIT.
  const v1::Order& order() const { return order_; }
  int num_joins() const { return num_joins_; }
  int num_connections() const { return num_connections_; }
  const std::string& turned_away() const { return turned_away_; }
  const std::string& not_yet() const { return not_yet_; }
  const std::map<std::string, FenceEnded>& fences() const { return fences_; }
  // The longest that a beat has waited for its answer since the last call; those that still wait
  // count, too.
  std::chrono::milliseconds take_slowest() {
    if (!sent_.empty()) note_wait(sent_.begin()->second);
    return std::exchange(slowest_, std::chrono::milliseconds(0));
  }
  // What to do on the way to the next phase.
  void set_phase(v1::Phase phase) { phase_ = phase; }

 private:
  void take(Joined& joined) {
    member_ = joined.reply.member();
    sequence_ = 0;
    sent_.clear();
    ++num_joins_;
  }
  void take(Connected&) {
    ++num_connections_;
    if (member_ != 0) beat();
  }
  void take(FenceEnded& ended) {
    EXPECT_EQ(fences_.count(ended.key), 0u) << "a fence has ended twice";
    fences_.emplace(ended.key, ended);
  }
  void take(TurnedAway& away) { turned_away_ = away.text; }
  void take(NotYet& not_yet) { not_yet_ = not_yet.text; }
  void take(v1::Order& order) {
    while (!sent_.empty() && sent_.begin()->first <= order.acknowledged()) {
      note_wait(sent_.begin()->second);
      sent_.erase(sent_.begin());
    }
    if (order.kind() != v1::Order::KIND_WAIT) order_ = order;
    v1::Phase before = phase_;
    if (order.kind() == v1::Order::KIND_PREPARE && order.plan().generation() > generation_) {
      plan_ = order.plan();
      generation_ = plan_.generation();
      phase_ = v1::PHASE_READY;
    } else if (order.kind() == v1::Order::KIND_START && phase_ == v1::PHASE_READY) {
      phase_ = v1::PHASE_RUNNING;
    } else if (order.kind() == v1::Order::KIND_END && phase_ != v1::PHASE_DONE) {
      generation_ = order.generation();
      phase_ = v1::PHASE_ENDED;
    }
    if (phase_ != before) beat();
  }

  void note_wait(Clock::time_point since) {
    auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - since);
    slowest_ = std::max(slowest_, waited);
  }

  void beat() {
    last_beat_ = Clock::now();
    v1::Beat beat;
    beat.set_member(member_);
    beat.set_secret(host_ + std::string(16, '.'));
    beat.set_sequence(++sequence_);
    beat.set_generation(generation_);
    beat.set_phase(phase_);
    sent_[sequence_] = last_beat_;
    client_.beat(beat);
  }

  std::string host_;
  Client client_;
  std::chrono::milliseconds every_;
  MemberId member_ = 0;
  uint64_t sequence_ = 0;
  int64_t generation_ = 0;
  v1::Phase phase_ = v1::PHASE_IDLE;
  v1::Plan plan_;
  v1::Order order_;
  int num_joins_ = 0;
  int num_connections_ = 0;
  std::string turned_away_;
  std::string not_yet_;
  std::map<std::string, FenceEnded> fences_;
  std::map<uint64_t, Clock::time_point> sent_;
  Clock::time_point last_beat_{};
  std::chrono::milliseconds slowest_{0};
};

using TestAgents = std::vector<std::unique_ptr<TestAgent>>;

// Whether `holds` came true while all agents were at work.
inline bool pump_until(const TestAgents& agents, const std::function<bool()>& holds,
                       int timeout_s = 20) {
  auto end = TestAgent::Clock::now() + std::chrono::seconds(timeout_s);
  while (true) {
    for (const auto& agent : agents) agent->pump();
    if (holds()) return true;
    if (TestAgent::Clock::now() > end) return false;
    poll(nullptr, 0, 2);
  }
}

inline bool all_are(const TestAgents& agents, v1::Phase phase) {
  return std::all_of(agents.begin(), agents.end(),
                     [&](const auto& agent) { return agent->phase() == phase; });
}

}  // namespace tessera::rendezvous
