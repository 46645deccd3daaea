// A coordinator with agents that do as the test says, in simulated time.
//
// After every step it is compared with one that was restored from all records so far, and with one
// that was restored from its snapshot.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "launcher/rendezvous/coordinator.h"

namespace tessera::rendezvous {

struct DrivenAgent {
  MemberId member = 0;
  std::string secret{};
  CallId stream = 0;
  uint64_t sequence = 0;
  // What its beats say.
  int64_t generation = 0;
  v1::Phase phase = v1::PHASE_IDLE;
  std::optional<v1::Failure> failure{};
  bool stopped = false;
  bool leaving = false;
  // Its beats do not arrive.
  bool silent = false;
  // The last order that came.
  v1::Order order{};
};

class CoordinatorDriver {
 public:
  static v1::Job job(int min_nodes, int max_nodes, int max_restarts = 3) {
    v1::Job job;
    job.set_min_nodes(min_nodes);
    job.set_max_nodes(max_nodes);
    job.set_max_restarts(max_restarts);
    return job;
  }

  explicit CoordinatorDriver(v1::Job job, const Settings& settings = {})
      : settings_(settings), job_(std::move(job)), coordinator_(settings, began(), now_) {}

  static v1::JoinRequest request(const std::string& host, const v1::Job& job, int node_rank = -1) {
    v1::JoinRequest request;
    request.mutable_node()->set_host(host);
    request.mutable_node()->set_address("10.0.0.1");
    request.mutable_node()->set_slots(2);
    request.mutable_node()->set_port(29500);
    request.mutable_node()->set_node_rank(node_rank);
    *request.mutable_job() = job;
    request.set_secret(host + std::string(16, '.'));
    return request;
  }

  // --- what happens

  Outputs step(const Input& input) {
    Outputs outputs = coordinator_.step(now_, input);
    for (const Output& output : outputs) take(output);
    check_restored();
    return outputs;
  }

  // The answer to a call; none while it waits.
  template <class Call, class Request>
  std::optional<Answer> call(const Request& request) {
    CallId id = ++last_call_;
    step(Call{id, request});
    return answer(id);
  }
  CallId last_call() const { return last_call_; }
  std::optional<Answer> answer(CallId id) const {
    auto found = answers_.find(id);
    return found == answers_.end() ? std::nullopt : std::optional(found->second);
  }

  void join(const std::string& host, int node_rank = -1) {
    v1::JoinRequest join = request(host, job_, node_rank);
    auto joined = call<JoinCall>(join);
    ASSERT_TRUE(joined);
    const auto* reply = std::get_if<v1::JoinReply>(&joined->reply);
    ASSERT_NE(reply, nullptr) << std::get<Refusal>(joined->reply).text;
    DrivenAgent agent;
    agent.member = reply->member();
    agent.secret = join.secret();
    agent.stream = 1000 + ++num_streams_;
    agents_[host] = std::move(agent);
    beat(host);
  }

  v1::Beat next_beat(const std::string& host) {
    DrivenAgent& agent = agents_.at(host);
    v1::Beat beat;
    beat.set_member(agent.member);
    beat.set_secret(agent.secret);
    beat.set_sequence(++agent.sequence);
    beat.set_generation(agent.generation);
    beat.set_phase(agent.phase);
    beat.set_stopped(agent.stopped);
    beat.set_leaving(agent.leaving);
    if (agent.failure) *beat.mutable_failure() = *agent.failure;
    return beat;
  }
  const v1::Order& beat(const std::string& host) {
    step(BeatCall{agents_.at(host).stream, next_beat(host)});
    return agents_.at(host).order;
  }
  // Reports a phase of the generation at hand.
  const v1::Order& beat(const std::string& host, v1::Phase phase) {
    DrivenAgent& agent = agents_.at(host);
    if (agent.generation != coordinator_.generation()) {
      agent.failure.reset();
      agent.stopped = false;
    }
    agent.generation = coordinator_.generation();
    agent.phase = phase;
    return beat(host);
  }
  void all(v1::Phase phase) {
    for (const std::string& host : hosts()) {
      if (!agents_.at(host).silent) beat(host, phase);
    }
  }
  // From a plan to ranks that run.
  void start_all() {
    all(v1::PHASE_PREPARING);
    all(v1::PHASE_READY);
    all(v1::PHASE_RUNNING);
  }
  const v1::Order& fail(const std::string& host, const v1::Failure& failure,
                        v1::Phase phase = v1::PHASE_FAILED) {
    agents_.at(host).generation = coordinator_.generation();
    agents_.at(host).failure = failure;
    return beat(host, phase);
  }
  std::optional<Answer> leave(const std::string& host) {
    v1::LeaveRequest request;
    request.set_member(agents_.at(host).member);
    request.set_secret(agents_.at(host).secret);
    request.set_reason("asked to");
    agents_.erase(host);
    return call<LeaveCall>(request);
  }
  void drain(const std::string& reason) {
    v1::DrainRequest request;
    request.set_reason(reason);
    call<DrainCall>(request);
  }

  // Time passes: with a tick every 100 ms, and a beat of everyone who is not silent.
  void wait(Millis ms) {
    for (Millis end = now_ + ms; now_ < end;) {
      now_ = std::min(now_ + 100, end);
      step(Tick{});
      for (const std::string& host : hosts()) {
        if (!agents_.at(host).silent) beat(host);
      }
    }
  }
  // The clock jumps.
  void jump(Millis ms) {
    now_ += ms;
    step(Tick{});
  }
  // A server that was started anew takes over after a pause.
  void restart_server(Millis pause) {
    now_ += pause;
    coordinator_ = Coordinator(settings_, began(), now_);
    coordinator_.restore(journal_, now_);
    // As the server does it.
    journal_ = coordinator_.snapshot();
    for (auto& [host, agent] : agents_) agent.stream = 1000 + ++num_streams_;
  }

  // --- what there is

  DrivenAgent& agent(const std::string& host) { return agents_.at(host); }
  const v1::Order& order(const std::string& host) const { return agents_.at(host).order; }
  v1::Order::Kind kind(const std::string& host) const { return order(host).kind(); }
  Coordinator& coordinator() { return coordinator_; }
  State state() const { return coordinator_.state(); }
  int restarts() const { return coordinator_.status(now_).restarts(); }
  const std::vector<std::string>& events() const { return events_; }
  const std::vector<v1::Record>& journal() const { return journal_; }
  Millis now() const { return now_; }
  // The hosts of the plan of the generation at hand.
  std::vector<std::string> plan() const {
    auto status = coordinator_.status(now_);
    std::map<int, std::string> hosts;
    for (const auto& member : status.members()) {
      if (member.node_rank() >= 0) hosts[member.node_rank()] = member.node().host();
    }
    std::vector<std::string> out;
    for (const auto& [place, host] : hosts) out.push_back(host);
    return out;
  }

 private:
  static v1::Record::Began began() {
    v1::Record::Began began;
    began.set_job_id("job");
    began.set_started_at(7);
    began.set_ranks_secret("namespace");
    return began;
  }

  std::vector<std::string> hosts() const {
    std::vector<std::string> out;
    for (const auto& [host, agent] : agents_) out.push_back(host);
    return out;
  }

  void take(const Output& output) {
    if (const auto* sent = std::get_if<SendOrder>(&output)) {
      for (auto& [host, agent] : agents_) {
        if (agent.stream != sent->stream) continue;
        agent.order = sent->order;
        if (sent->plan) *agent.order.mutable_plan() = *sent->plan;
      }
    } else if (const auto* answer = std::get_if<Answer>(&output)) {
      EXPECT_EQ(answers_.count(answer->call), 0u) << "a call was answered twice";
      answers_.insert_or_assign(answer->call, *answer);
    } else if (const auto* persist = std::get_if<Persist>(&output)) {
      journal_.push_back(persist->record);
    } else if (const auto* event = std::get_if<Happened>(&output)) {
      events_.push_back(event->text);
    }
  }

  static std::string text_of_all(const std::vector<v1::Record>& records) {
    std::string text;
    for (const v1::Record& record : records) text += record.ShortDebugString() + "\n";
    return text;
  }

  void check_restored() const {
    std::vector<v1::Record> snapshot = coordinator_.snapshot();
    for (const auto& records : {journal_, snapshot}) {
      Coordinator other(settings_, began(), now_);
      other.restore(records, now_);
      ASSERT_EQ(text_of_all(other.snapshot()), text_of_all(snapshot));
      ASSERT_EQ(other.generation(), coordinator_.generation());
      ASSERT_EQ(other.status(now_).restarts(), coordinator_.status(now_).restarts());
      bool running = coordinator_.state() == State::running;
      ASSERT_EQ(other.state(), running ? State::preparing : coordinator_.state());
    }
  }

  Settings settings_;
  v1::Job job_;
  Millis now_ = 1'000'000;
  Coordinator coordinator_;
  std::map<std::string, DrivenAgent> agents_;
  std::map<CallId, Answer> answers_;
  std::vector<v1::Record> journal_;
  std::vector<std::string> events_;
  CallId last_call_ = 1'000'000;
  CallId num_streams_ = 0;
};

// What a call was refused with; empty where it was not.
inline std::string refusal_of(const std::optional<Answer>& answer) {
  const auto* refusal = answer ? std::get_if<Refusal>(&answer->reply) : nullptr;
  return refusal ? refusal->text : "";
}
inline std::optional<Refused> why_refused(const std::optional<Answer>& answer) {
  const auto* refusal = answer ? std::get_if<Refusal>(&answer->reply) : nullptr;
  return refusal ? std::optional(refusal->why) : std::nullopt;
}

inline v1::Failure failure_of(v1::Failure::Kind kind, int value, int64_t order, int rank = 0) {
  v1::Failure failure;
  failure.set_kind(kind);
  failure.set_value(value);
  failure.set_order(order);
  failure.set_rank(rank);
  failure.set_text("rank " + std::to_string(rank) + " failed");
  return failure;
}

}  // namespace tessera::rendezvous
