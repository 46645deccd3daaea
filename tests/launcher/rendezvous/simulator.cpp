#include "tests/launcher/rendezvous/simulator.h"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::test {
namespace {

using agent::Actions;
using rendezvous::Answer;
using rendezvous::BeatCall;
using rendezvous::JoinCall;
using rendezvous::Persist;
using rendezvous::SendOrder;
using rendezvous::Tick;

constexpr Millis kServerTick = 100;
constexpr Millis kAgentTick = 50;
constexpr Millis kPatience = 300'000;

rendezvous::CallId stream_of(int number, uint64_t life) {
  return static_cast<uint64_t>(number) * 1000 + life + 1;
}

v1::Failure rank_failure(Millis at) {
  v1::Failure failure;
  failure.set_kind(v1::Failure::KIND_SIGNAL);
  failure.set_value(9);
  failure.set_order(at);
  failure.set_text("a rank was killed");
  return failure;
}

}  // namespace

Simulator::Simulator(const Scenario& scenario) : scenario_(scenario), random_(scenario.seed) {}

Millis Simulator::between(Millis low, Millis high) {
  return low + static_cast<Millis>(random_() % static_cast<uint64_t>(high - low + 1));
}

bool Simulator::chance(double probability) {
  return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

void Simulator::after(Millis delay, std::function<void()> happen) {
  events_.push({now_ + delay, num_events_++, std::move(happen)});
}

void Simulator::send(const Agent& agent, std::function<void()> deliver) {
  if (agent.cut_until > now_) return;
  if (now_ < scenario_.faults_until && chance(scenario_.loss)) return;
  int copies = now_ < scenario_.faults_until && chance(scenario_.repeat) ? 2 : 1;
  for (int i = 0; i < copies; ++i) after(between(0, scenario_.max_delay), deliver);
}

std::string Simulator::run() {
  start_server();
  for (int i = 0; i < scenario_.num_nodes; ++i) add_agent();
  schedule_fault();
  while (broken_.empty() && !at_an_end()) {
    if (events_.empty()) return fmt::format("at {} ms: nothing more can happen", now_);
    Event event = events_.top();
    events_.pop();
    now_ = event.at;
    event.happen();
    if (now_ > scenario_.faults_until + kPatience) {
      return fmt::format("the job has not ended {} ms after the last fault: generation {} is {}",
                         kPatience, server_ ? server_->generation() : -1,
                         server_ ? rendezvous::name_of(server_->state()) : "without a server");
    }
  }
  return broken_;
}

bool Simulator::at_an_end() const {
  if (!server_ || server_->state() != rendezvous::State::finished) return false;
  return std::all_of(agents_.begin(), agents_.end(),
                     [](const auto& each) { return !each.second.alive || each.second.over; });
}

// --- the server

void Simulator::start_server() {
  v1::Record::Began began;
  began.set_job_id("job");
  Millis now = now_ + server_skew_;
  auto hold = scenario_.make_hold
                  ? scenario_.make_hold(scenario_.settings, now)
                  : std::make_unique<rendezvous::LeaseHold>(scenario_.settings, now);
  server_.emplace(scenario_.settings, began, now, std::move(hold));
  server_->restore(journal_, now);
  server_tick(++server_life_);
}

void Simulator::stop_server(Millis pause) {
  if (!server_) return;
  server_.reset();
  ++server_life_;
  joins_.clear();
  after(pause, [this] { start_server(); });
}

void Simulator::server_tick(uint64_t life) {
  if (life != server_life_ || !server_) return;
  server_step(Tick{});
  after(kServerTick, [this, life] { server_tick(life); });
}

void Simulator::server_step(const rendezvous::Input& input) {
  if (!server_) return;
  for (rendezvous::Output& output : server_->step(now_ + server_skew_, input)) {
    if (auto* persist = std::get_if<Persist>(&output)) {
      journal_.push_back(persist->record);
    } else if (auto* sent = std::get_if<SendOrder>(&output)) {
      int number = static_cast<int>(sent->stream / 1000);
      uint64_t life = sent->stream % 1000 - 1;
      v1::Order order = sent->order;
      if (sent->plan) *order.mutable_plan() = *sent->plan;
      auto found = agents_.find(number);
      if (found == agents_.end()) continue;
      send(found->second, [this, number, life, order] { deliver_order(number, life, order); });
    } else if (auto* answer = std::get_if<Answer>(&output)) {
      auto waiting = joins_.find(answer->call);
      const auto* reply = std::get_if<v1::JoinReply>(&answer->reply);
      if (waiting == joins_.end() || !reply) continue;
      int number = waiting->second;
      std::string secret = agents_.at(number).secret;
      uint64_t life = agents_.at(number).life;
      send(agents_.at(number), [this, number, life, secret, reply = *reply] {
        Agent& agent = agents_.at(number);
        if (!agent.alive || agent.life != life || agent.joined || agent.secret != secret) return;
        agent.joined = true;
        agent.protocol.joined(reply, secret);
        beat(number, life);
      });
    }
  }
}

void Simulator::deliver_order(int number, uint64_t life, v1::Order order) {
  Agent& agent = agents_.at(number);
  if (!agent.alive || agent.life != life) return;
  // A stopped process reads its mail when it wakes.
  if (agent.paused_until > now_) {
    after(agent.paused_until - now_ + between(0, 20),
          [this, number, life, order] { deliver_order(number, life, order); });
    return;
  }
  if (!agent.joined) return;
  Millis before = agent.protocol.lease_until();
  Actions actions = agent.protocol.order(now_, order);
  if (agent.protocol.lease_until() != before) agent.ranks_lease = agent.protocol.lease_until();
  v1::Phase phase = agent.protocol.phase();
  act(agent, actions);
  if (agent.protocol.phase() != phase) send_beat(agent);
}

// --- agents

void Simulator::add_agent() {
  int number = next_agent_++;
  Agent& agent = agents_.emplace(number, Agent(1)).first->second;
  agent.number = number;
  after(between(0, 500), [this, number] { join(number); });
  after(kAgentTick, [this, number] { agent_tick(number, 0); });
}

void Simulator::join(int number) {
  Agent& agent = agents_.at(number);
  if (!agent.alive || agent.joined || agent.over) return;
  if (agent.paused_until <= now_ && server_) {
    if (agent.secret.empty()) agent.secret = fmt::format("{:016x}", random_());
    v1::JoinRequest request;
    request.mutable_node()->set_host(fmt::format("n{}", number));
    request.mutable_node()->set_address("127.0.0.1");
    request.mutable_node()->set_slots(1);
    request.mutable_node()->set_node_rank(-1);
    request.mutable_job()->set_min_nodes(scenario_.min_nodes);
    request.mutable_job()->set_max_nodes(scenario_.max_nodes);
    request.mutable_job()->set_max_restarts(1000);
    request.set_secret(agent.secret);
    rendezvous::CallId call = next_call_++;
    uint64_t life = server_life_;
    send(agent, [this, call, number, request, life] {
      if (life != server_life_) return;
      joins_[call] = number;
      server_step(JoinCall{call, request});
    });
    // An agent that comes when all is over is turned away.
    if (server_->state() == rendezvous::State::finished && !agent.joined) agent.over = true;
  }
  after(between(300, 700), [this, number] { join(number); });
}

void Simulator::beat(int number, uint64_t life) {
  Agent& agent = agents_.at(number);
  if (!agent.alive || agent.life != life || !agent.joined || agent.over) return;
  if (agent.paused_until <= now_) send_beat(agent);
  after(500, [this, number, life] { beat(number, life); });
}

void Simulator::send_beat(Agent& agent) {
  if (!agent.joined || agent.over) return;
  v1::Beat beat = agent.protocol.beat(now_);
  uint64_t life = server_life_;
  rendezvous::CallId stream = stream_of(agent.number, agent.life);
  send(agent, [this, beat, life, stream] {
    if (life == server_life_) server_step(BeatCall{stream, beat});
  });
}

void Simulator::agent_tick(int number, uint64_t life) {
  Agent& agent = agents_.at(number);
  // The process beside the agent minds the lease also while the agent is stopped.
  if (agent.ranks != 0 && now_ >= agent.ranks_lease) ranks_end(agent);
  if (!agent.alive || agent.life != life || agent.over) {
    if (agent.ranks == 0) return;
  } else if (agent.paused_until <= now_ && agent.joined) {
    v1::Phase phase = agent.protocol.phase();
    act(agent, agent.protocol.tick(now_));
    if (agent.protocol.phase() != phase) send_beat(agent);
  }
  after(kAgentTick, [this, number, life] { agent_tick(number, life); });
}

void Simulator::act(Agent& agent, const Actions& actions) {
  int number = agent.number;
  uint64_t life = agent.life;
  for (const agent::Action& action : actions) {
    if (std::holds_alternative<agent::Prepare>(action)) {
      after(between(1, 200), [this, number, life] {
        Agent& later = agents_.at(number);
        if (!later.alive || later.life != life) return;
        later.protocol.ready();
        send_beat(later);
      });
    } else if (std::holds_alternative<agent::Start>(action)) {
      ranks_start(agent);
    } else if (std::holds_alternative<agent::Stop>(action)) {
      after(between(1, 400), [this, number, ranks_life = agent.ranks_life] {
        Agent& later = agents_.at(number);
        if (later.ranks != 0 && later.ranks_life == ranks_life) ranks_stop(later);
      });
    } else if (std::holds_alternative<agent::Kill>(action)) {
      after(between(1, 100), [this, number, life] {
        Agent& later = agents_.at(number);
        ranks_end(later);
        if (!later.alive || later.life != life) return;
        act(later, later.protocol.dead());
        send_beat(later);
      });
    } else if (std::holds_alternative<agent::Rejoin>(action)) {
      agent.joined = false;
      agent.secret.clear();
      after(between(1, 100), [this, number] { join(number); });
    } else if (std::holds_alternative<agent::Exit>(action)) {
      agent.over = true;
    }
  }
}

// --- ranks

void Simulator::ranks_start(Agent& agent) {
  agent.ranks = agent.protocol.generation();
  agent.ranks_lease = agent.protocol.lease_until();
  uint64_t ranks_life = ++agent.ranks_life;
  if (agent.ranks > num_generations_) {
    num_generations_ = agent.ranks;
    work_began_ = now_;
  }
  check_ranks();
  int number = agent.number;
  after(std::max<Millis>(1, scenario_.work - worked_) + between(0, 50),
        [this, number, ranks_life] { ranks_finish(number, ranks_life); });
}

void Simulator::ranks_end(Agent& agent) {
  if (agent.ranks == 0) return;
  worked_ = std::max(worked_, std::min(now_ - work_began_, scenario_.work) / 2);
  agent.ranks = 0;
}

// Ranks that are asked to stop. One that dies of it leaves the others of its generation waiting.
void Simulator::ranks_stop(Agent& agent) {
  if (agent.ranks == bereaved_) return;
  bool dies = chance(0.1);
  if (dies) bereaved_ = agent.ranks;
  v1::Phase phase = agent.protocol.phase();
  ranks_end(agent);
  act(agent, dies ? agent.protocol.rank_ended(-1, rank_failure(now_ - work_began_))
                  : agent.protocol.rank_ended(75, std::nullopt));
  if (agent.protocol.phase() != phase) send_beat(agent);
}

void Simulator::ranks_finish(int number, uint64_t ranks_life) {
  Agent& agent = agents_.at(number);
  if (!agent.alive || agent.ranks == 0 || agent.ranks_life != ranks_life) return;
  if (agent.paused_until > now_) {
    after(agent.paused_until - now_ + 1, [=, this] { ranks_finish(number, ranks_life); });
    return;
  }
  ranks_end(agent);
  act(agent, agent.protocol.rank_ended(0, std::nullopt));
}

void Simulator::check_ranks() {
  std::set<int64_t> at_work;
  for (const auto& [number, agent] : agents_) {
    if (agent.ranks != 0) at_work.insert(agent.ranks);
  }
  if (at_work.size() > 1) {
    broken_ = fmt::format("at {} ms ranks of generations {} and {} live together", now_,
                          *at_work.begin(), *at_work.rbegin());
  }
}

// --- faults

void Simulator::schedule_fault() {
  auto mean = static_cast<Millis>(1000 / scenario_.faults_per_second);
  after(between(1, 2 * mean), [this] {
    if (now_ >= scenario_.faults_until) return;
    cause_fault();
    schedule_fault();
  });
}

Simulator::Agent* Simulator::some_agent() {
  std::vector<Agent*> alive;
  for (auto& [number, agent] : agents_) {
    if (agent.alive && !agent.over) alive.push_back(&agent);
  }
  return alive.empty() ? nullptr : alive[random_() % alive.size()];
}

void Simulator::kill_agent(Agent& agent) {
  agent.alive = false;
  int number = agent.number;
  after(between(1, 50), [this, number] { ranks_end(agents_.at(number)); });
  // Somebody starts another in its place.
  after(between(100, 8000), [this] { add_agent(); });
}

void Simulator::cause_fault() {
  Agent* agent = some_agent();
  uint64_t kind = random_() % 8;
  if (kind >= 2 && !agent) return;
  static const char* const kNames[] = {"server restart", "clock jump",  "agent killed", "pause",
                                       "partition",      "rank killed", "newcomer",     "leave"};
  ++faults_[kNames[kind]];
  switch (kind) {
    case 0: stop_server(between(0, 8000)); break;
    case 1: server_skew_ += between(0, 10'000); break;
    case 2: kill_agent(*agent); break;
    case 3: agent->paused_until = now_ + between(100, 12'000); break;
    case 4: agent->cut_until = now_ + between(100, 12'000); break;
    case 5:
      if (agent->ranks != 0 && agent->paused_until <= now_) {
        act(*agent, agent->protocol.rank_ended(-1, rank_failure(now_ - work_began_)));
      }
      break;
    case 6: add_agent(); break;
    default:
      agent->protocol.leave();
      after(0, [this] { add_agent(); });
      break;
  }
}

}  // namespace tessera::test
