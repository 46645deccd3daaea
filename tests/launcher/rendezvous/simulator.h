// A job in simulated time: the coordinator, agents, their ranks, a network that loses,
// repeats, delays and reorders, and faults of every kind, all drawn from one seed.
//
// What it checks at every moment: ranks of two generations never live together. What it checks at
// the end: after the last fault the job ends, and every agent that lives hears of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "launcher/agent/agent_protocol.h"
#include "launcher/rendezvous/coordinator.h"

namespace tessera::test {

using rendezvous::Millis;
namespace v1 = rendezvous::v1;

struct Scenario {
  uint64_t seed = 0;
  int num_nodes = 3;
  int min_nodes = 2;
  int max_nodes = 3;
  Millis work = 25'000;  // what all ranks together have to run for
  Millis faults_until = 20'000;
  double faults_per_second = 0.5;
  double loss = 0.02;
  double repeat = 0.02;
  Millis max_delay = 60;
  rendezvous::Settings settings = {};
  // How the coordinator waits for lost nodes; none: as it does in production.
  std::function<std::unique_ptr<rendezvous::LeaseHold>(const rendezvous::Settings&, Millis)>
      make_hold = {};
};

class Simulator {
 public:
  explicit Simulator(const Scenario& scenario);
  // Runs to the end of the job. Empty, or which promise was broken and when.
  std::string run();

  int64_t num_generations() const { return num_generations_; }
  const std::map<std::string, int>& faults() const { return faults_; }
  Millis now() const { return now_; }

 private:
  struct Agent {
    explicit Agent(int slots) : protocol(slots) {}
    agent::AgentProtocol protocol;
    int number = 0;
    uint64_t life = 0;  // of the agent's process; events of an earlier one mean nothing
    bool alive = true;
    bool over = false;  // has heard that the job is over
    bool joined = false;
    std::string secret;
    Millis paused_until = 0;
    Millis cut_until = 0;  // from the network
    bool beats_scheduled = false;
    // The ranks, which a process beside the agent keeps: they die when its lease lapses.
    int64_t ranks = 0;  // the generation of those who live, or 0
    uint64_t ranks_life = 0;
    Millis ranks_lease = 0;
  };
  struct Event {
    Millis at;
    uint64_t order;
    std::function<void()> happen;
    bool operator>(const Event& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };

  Millis between(Millis low, Millis high);
  bool chance(double probability);
  void after(Millis delay, std::function<void()> happen);
  void send(const Agent& agent, std::function<void()> deliver);

  void start_server();
  void stop_server(Millis pause);
  void server_tick(uint64_t life);
  void server_step(const rendezvous::Input& input);
  void deliver_order(int number, uint64_t life, v1::Order order);

  void add_agent();
  void join(int number);
  void beat(int number, uint64_t life);
  void send_beat(Agent& agent);
  void agent_tick(int number, uint64_t life);
  void act(Agent& agent, const agent::Actions& actions);
  void ranks_start(Agent& agent);
  void ranks_end(Agent& agent);
  void ranks_stop(Agent& agent);
  void ranks_finish(int number, uint64_t ranks_life);
  void check_ranks();

  void schedule_fault();
  void cause_fault();
  void kill_agent(Agent& agent);
  Agent* some_agent();
  bool at_an_end() const;

  Scenario scenario_;
  std::mt19937_64 random_;
  Millis now_ = 0;
  uint64_t num_events_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;

  std::optional<rendezvous::Coordinator> server_;
  uint64_t server_life_ = 0;
  Millis server_skew_ = 0;
  std::vector<v1::Record> journal_;
  std::map<rendezvous::CallId, int> joins_;  // who waits
  rendezvous::CallId next_call_ = 1'000'000;

  std::map<int, Agent> agents_;
  int next_agent_ = 0;
  Millis worked_ = 0;      // by ranks of finished generations, as checkpoints keep it
  Millis work_began_ = 0;  // of the generation at work
  int64_t num_generations_ = 0;
  int64_t bereaved_ = 0;  // the generation of which some ranks wait for those that have died
  std::map<std::string, int> faults_;
  std::string broken_;
};

}  // namespace tessera::test
