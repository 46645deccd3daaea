// How long a large job takes to meet: clients over real gRPC until every one has its plan, and
// members of a bare coordinator until their ranks start.
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "launcher/bench/families.h"
#include "launcher/bench/interrupt.h"
#include "launcher/rendezvous/client.h"
#include "launcher/rendezvous/server.h"

namespace tessera::rendezvous {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kTimeoutS = 120;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

v1::JoinRequest request_of(int number, int num_nodes) {
  v1::JoinRequest request;
  request.mutable_node()->set_host(fmt::format("node{:05}.cluster.example", number));
  request.mutable_node()->set_address(fmt::format("10.{}.{}.1", number / 200, number % 200));
  request.mutable_node()->set_slots(8);
  request.mutable_node()->set_port(29'500);
  request.mutable_node()->set_node_rank(number);
  request.mutable_job()->set_min_nodes(num_nodes);
  request.mutable_job()->set_max_nodes(num_nodes);
  request.set_secret(fmt::format("{:032}", number));
  return request;
}

// An agent up to its plan.
class Agent {
 public:
  Agent(int number, int num_nodes, int port)
      : request_(request_of(number, num_nodes)), client_({"127.0.0.1", port}, {}) {
    join();
  }

  int descriptor() { return client_.mailbox().descriptor(); }
  bool has_plan() const { return plan_.nodes_size() > 0; }
  const v1::Plan& plan() const { return plan_; }

  void pump() {
    for (FromServer& message : client_.mailbox().take_all()) {
      if (auto* joined = std::get_if<Joined>(&message)) beat_.set_member(joined->reply.member());
      if (std::holds_alternative<Connected>(message)) beat();
      auto* order = std::get_if<v1::Order>(&message);
      if (order && order->kind() == v1::Order::KIND_FENCED && beat_.member() != 0) join();
      if (!order || order->kind() != v1::Order::KIND_PREPARE || has_plan()) continue;
      plan_ = std::move(*order->mutable_plan());
      beat_.set_generation(plan_.generation());
      beat_.set_phase(v1::PHASE_PREPARING);
      beat();
    }
  }
  void beat_when_due() {
    if (beat_.member() != 0 && Clock::now() - last_beat_ > milliseconds(500)) beat();
  }

 private:
  // Anew, when the server has not heard of it for too long.
  void join() {
    request_.set_secret(fmt::format("{} {}", request_.node().host(), ++num_joins_));
    beat_.Clear();
    beat_.set_secret(request_.secret());
    client_.join(request_);
  }
  void beat() {
    last_beat_ = Clock::now();
    beat_.set_sequence(beat_.sequence() + 1);
    client_.beat(beat_);
  }

  v1::JoinRequest request_;
  int num_joins_ = 0;
  Client client_;
  v1::Beat beat_;
  v1::Plan plan_;
  Clock::time_point last_beat_{};
};

// Waits for messages and takes them; how many agents have no plan yet.
size_t pump(const std::vector<std::unique_ptr<Agent>>& agents) {
  std::vector<pollfd> ready;
  for (const auto& agent : agents) ready.push_back({agent->descriptor(), POLLIN, 0});
  poll(nullptr, 0, 5);  // of so many, some always have a message
  poll(ready.data(), ready.size(), 50);
  size_t left = 0;
  for (size_t i = 0; i < agents.size(); ++i) {
    if (ready[i].revents != 0) agents[i]->pump();
    agents[i]->beat_when_due();
    left += agents[i]->has_plan() ? 0 : 1;
  }
  return left;
}

double seconds_of_clients(int num_clients) {
  Server server({});
  Clock::time_point start = Clock::now();
  std::vector<std::unique_ptr<Agent>> agents;
  for (int i = 0; i < num_clients; ++i) {
    agents.push_back(std::make_unique<Agent>(i, num_clients, server.port()));
  }
  while (size_t left = pump(agents)) {
    bench::throw_if_interrupted();
    TESSERA_CHECK(seconds_since(start) < kTimeoutS, "{} of {} clients have no plan after {} s",
                  left, num_clients, kTimeoutS);
  }
  double seconds = seconds_since(start);
  for (auto& agent : agents) {
    TESSERA_CHECK(agent->plan().nodes_size() == num_clients, "a plan has {} of {} nodes",
                  agent->plan().nodes_size(), num_clients);
  }
  return seconds;
}

// Steps the coordinator with a beat of every member.
void beat_all(Coordinator& coordinator, uint64_t sequence, v1::Phase phase, int num_members) {
  v1::Beat beat;
  beat.set_sequence(sequence);
  beat.set_generation(coordinator.generation());
  beat.set_phase(phase);
  for (int i = 0; i < num_members; ++i) {
    beat.set_member(static_cast<uint64_t>(i) + 1);
    beat.set_secret(fmt::format("{:032}", i));
    coordinator.step(1, BeatCall{static_cast<CallId>(i) + 1, beat});
  }
}

double seconds_of_coordinator(int num_members) {
  Clock::time_point start = Clock::now();
  Coordinator coordinator({}, {}, 0);
  for (int i = 0; i < num_members; ++i) {
    coordinator.step(0, JoinCall{static_cast<CallId>(i + 1), request_of(i, num_members)});
  }
  uint64_t sequence = 0;
  for (v1::Phase phase : {v1::PHASE_IDLE, v1::PHASE_PREPARING, v1::PHASE_READY}) {
    beat_all(coordinator, ++sequence, phase, num_members);
  }
  TESSERA_CHECK(coordinator.state() == State::running, "the coordinator is {}",
                name_of(coordinator.state()));
  return seconds_since(start);
}

void allow_many_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bench::Measured measure_clients(const bench::Settings& settings) {
  allow_many_descriptors();
  int num_clients = settings.quick ? 10 : 1000;
  return bench::in_turns(
      settings, 3, {.value = [=] { return seconds_of_clients(num_clients); }, .warm_up = false});
}

bench::Measured measure_coordinator(const bench::Settings& settings) {
  int num_members = settings.quick ? 100 : 10'000;
  return bench::in_turns(settings, 3,
                         {.value = [=] { return seconds_of_coordinator(num_members); }});
}

}  // namespace
}  // namespace tessera::rendezvous

namespace tessera::bench {

void add_rendezvous(std::vector<Benchmark>& to) {
  to.push_back({"rendezvous.clients_1000", "s",
                "1,000 agents over gRPC, until every one has its plan",
                rendezvous::measure_clients});
  to.push_back({"rendezvous.coordinator_10000", "s",
                "10,000 members of a bare coordinator, until their ranks start",
                rendezvous::measure_coordinator});
}

}  // namespace tessera::bench
