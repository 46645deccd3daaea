#include "launcher/rendezvous/generation_cycle.h"

#include <fmt/format.h>

#include <utility>

#include "launcher/job/exit_codes.h"
#include "launcher/rendezvous/failures.h"
#include "launcher/rendezvous/outputs.h"

namespace tessera::rendezvous {

GenerationCycle::GenerationCycle(const Settings& settings, Millis now,
                                 std::unique_ptr<LeaseHold> hold)
    : settings_(settings),
      state_since_(now),
      ending_(settings),
      restarts_(settings),
      hold_(std::move(hold)) {}

bool GenerationCycle::advance(const Surroundings& around) {
  switch (state_) {
    case State::gathering: return form_when_enough(around);
    case State::preparing: return end_when_needed(around) || start_when_ready(around);
    case State::running: return end_when_needed(around);
    case State::ending: return conclude_when_ended(around);
    case State::finished: return false;
  }
  return false;
}

void GenerationCycle::enter(State state, Millis now) {
  state_ = state;
  state_since_ = now;
}

void GenerationCycle::say(std::string text, Outputs& out) const {
  out.emplace_back(Happened{generation_.number(), std::move(text)});
}

// --- what members do

bool GenerationCycle::holds_ranks(MemberId id) const {
  return is_at_work(state_) && generation_.may_hold_ranks(id);
}

void GenerationCycle::lose(MemberId id, const Member& member, Millis now) {
  if (holds_ranks(id)) {
    hold_->note_lost(member.last_seen);
    generation_.note_loss(loss_of(member.node.host(), now - member.last_seen));
  }
  generation_.remove(id);
}

void GenerationCycle::let_go(MemberId id, const Member& member) {
  if (holds_ranks(id)) generation_.note_loss(departure_of(member.node.host()));
  generation_.remove(id);
}

void GenerationCycle::fence(MemberId id, const FenceCall& call, Outputs& out) {
  const NodeReport* report = generation_.find(id);
  bool open = is_at_work(state_) && (state_ != State::ending || ending().graceful());
  if (!open || !report || call.request.generation() != generation_.number()) {
    return refuse(call.call, Refused::aborted,
                  fmt::format("generation {} is not at work", call.request.generation()), out);
  }
  fences_.contribute(report->place, generation_.plan()->nodes_size(), call, out);
}

void GenerationCycle::skip(Millis pause) {
  state_since_ += pause;
  hold_->skip(pause);
  restarts_.skip(pause);
  ending_.skip(pause);
}

// --- beginning

bool GenerationCycle::form_when_enough(const Surroundings& around) {
  const v1::Job& terms = around.facts.terms();
  if (const auto& why = around.facts.stop_reason()) {
    finish({job::exit_codes::kStopped, "stopped: " + *why, std::nullopt}, around);
    return true;
  }
  if (!around.facts.has_terms()) return false;
  if (!hold_->is_over(around.now) || restarts_.is_pausing(around.now)) return false;
  size_t staying = around.members.num_staying();
  if (staying < static_cast<size_t>(terms.min_nodes())) {
    if (around.now - state_since_ < settings_.gather) return false;
    finish({job::exit_codes::kFailed,
            fmt::format("only {} of {} nodes came in {} s", staying, terms.min_nodes(),
                        settings_.gather / 1000),
            std::nullopt},
           around);
    return true;
  }
  bool full = staying >= static_cast<size_t>(terms.max_nodes());
  if (!full && around.now - around.members.last_join() < settings_.settle) return false;
  form(around);
  return true;
}

std::shared_ptr<const v1::Plan> GenerationCycle::next_plan(const Surroundings& around) const {
  auto plan = std::make_shared<v1::Plan>();
  int world_size = 0;
  plan->set_generation(generation_.number() + 1);
  plan->set_restarts(restarts_.count());
  auto most = static_cast<size_t>(around.facts.terms().max_nodes());
  for (MemberId id : around.members.choose(most)) {
    const v1::Node& node = around.members.at(id).node;
    plan->add_members(id);
    *plan->add_nodes() = node;
    world_size += node.slots();
  }
  plan->set_world_size(world_size);
  return plan;
}

void GenerationCycle::form(const Surroundings& around) {
  std::shared_ptr<const v1::Plan> plan = next_plan(around);
  v1::Record record;
  *record.mutable_formed()->mutable_plan() = *plan;
  persist(std::move(record), around.out);
  fences_.clear("a new generation is formed", around.out);
  generation_.begin(plan, around.members);
  say(fmt::format("generation {} of {} node{} and {} rank{} is formed", plan->generation(),
                  plan->nodes_size(), plan->nodes_size() == 1 ? "" : "s", plan->world_size(),
                  plan->world_size() == 1 ? "" : "s"),
      around.out);
  enter(State::preparing, around.now);
}

bool GenerationCycle::start_when_ready(const Surroundings& around) {
  if (!generation_.all_ready()) return false;
  say(fmt::format("generation {} starts", generation_.number()), around.out);
  enter(State::running, around.now);
  return true;
}

// --- ending

// Empty: there is none. Whoever comes while the others prepare waits until they have: many who come
// one after the other would keep them from ever being ready.
std::string GenerationCycle::reason_to_regroup(const Surroundings& around) const {
  if (around.members.any_leaving()) {
    for (const auto& [id, member] : around.members.all()) {
      if (member.leaving && generation_.find(id)) return member.node.host() + " leaves";
    }
  }
  bool room = generation_.size() < static_cast<size_t>(around.facts.terms().max_nodes());
  bool newcomer = around.members.num_staying() > generation_.num_present();
  bool settled = around.now - around.members.last_join() >= settings_.settle;
  bool ready = state_ == State::running || generation_.all_ready();
  return ready && room && newcomer && settled ? "a node has joined" : "";
}

std::optional<v1::Record::Ending> GenerationCycle::reason_to_end(const Surroundings& around) const {
  using Kind = v1::Record::Ending;
  if (generation_.all_done()) return graceful_ending(Kind::KIND_COMPLETE, kAllEnded);
  if (const v1::Failure* failure = generation_.first_failure()) return ending_of(*failure);
  if (generation_.any_bad_end()) return ending_of(v1::Failure());
  if (state_ == State::preparing && around.now - state_since_ > settings_.prepare) {
    return ending_of(late_start(settings_.prepare));
  }
  if (const auto& why = around.facts.stop_reason()) {
    return graceful_ending(Kind::KIND_DRAIN, "stopping: " + *why);
  }
  std::string regroup = reason_to_regroup(around);
  if (!regroup.empty()) return graceful_ending(Kind::KIND_REGROUP, regroup);
  return std::nullopt;
}

bool GenerationCycle::end_when_needed(const Surroundings& around) {
  auto reason = reason_to_end(around);
  if (!reason) return false;
  ending_.begin(std::move(*reason), around.now);
  say(fmt::format("generation {} ends: {}", generation_.number(), ending().reason()), around.out);
  persist_ending(around.out);
  enter(State::ending, around.now);
  return true;
}

void GenerationCycle::persist_ending(Outputs& out) {
  v1::Record record;
  *record.mutable_ending() = ending();
  persist(std::move(record), out);
  // Ranks that are to stop after a checkpoint may still be on their way through MPI_Init.
  if (!ending().graceful()) fences_.clear("the generation ends", out);
}

bool GenerationCycle::conclude_when_ended(const Surroundings& around) {
  if (generation_.all_ended() && hold_->is_over(around.now)) {
    conclude(around);
    return true;
  }
  if (generation_.any_bad_end()) ending_.note_bad_end(around.now);
  if (!ending().graceful() || !ending_.is_late(around.now)) return false;
  ending_.harden(around.now);
  persist_ending(around.out);
  say("the ranks did not stop in time and are killed", around.out);
  enter(State::ending, around.now);
  return true;
}

void GenerationCycle::conclude(const Surroundings& around) {
  if (auto end = verdict(around)) return finish(*end, around);
  bool failed = ending().kind() == v1::Record::Ending::KIND_FAILURE;
  v1::Failure failure = cause();
  if (failed && failure.kind() != v1::Failure::KIND_LAPSED) {
    restarts_.add(failure, generation_.furthest_step(), around.now);
    say(restarts_.text(around.facts.terms().max_restarts()), around.out);
  }
  v1::Record record;
  record.set_ended(restarts_.count());
  persist(std::move(record), around.out);
  enter(State::gathering, around.now);
}

std::optional<GenerationCycle::Verdict> GenerationCycle::verdict(const Surroundings& around) const {
  using Kind = v1::Record::Ending;
  bool stopped = generation_.any_stopped();
  if (generation_.all_done() && !stopped) return Verdict{0, "done", std::nullopt};
  bool complete = ending().kind() == Kind::KIND_COMPLETE;
  if (complete || ending().kind() == Kind::KIND_DRAIN) {
    std::string why = complete ? "with a checkpoint" : around.facts.stop_reason().value_or("");
    Verdict end{job::exit_codes::kStopped, "stopped: " + why, std::nullopt};
    // A program that knows nothing of checkpoints died of the signal to stop.
    if (const v1::Failure* failure = stopped ? nullptr : generation_.first_failure()) {
      end.exit_code = exit_code_of(*failure);
      end.failure = *failure;
    }
    return end;
  }
  if (ending().kind() != Kind::KIND_FAILURE) return std::nullopt;
  return verdict_on_failure(cause(), around.facts.terms());
}

std::optional<GenerationCycle::Verdict> GenerationCycle::verdict_on_failure(
    const v1::Failure& failure, const v1::Job& terms) const {
  if (failure.kind() == v1::Failure::KIND_LAPSED) return std::nullopt;
  // The same words would be wrong again.
  bool bad_usage =
      failure.kind() == v1::Failure::KIND_EXIT && failure.value() == job::exit_codes::kBadUsage;
  if (!bad_usage && restarts_.count() < terms.max_restarts()) return std::nullopt;
  return Verdict{exit_code_of(failure), text_of(failure), failure};
}

v1::Failure GenerationCycle::cause() const {
  const v1::Failure* first = generation_.first_failure();
  // The only one that outlives its node's going and a restart of the server.
  const v1::Failure& reason = ending().failure();
  bool known = reason.kind() != v1::Failure::KIND_UNKNOWN;
  if (!first || (known && precedence(reason) < precedence(*first))) return reason;
  return *first;
}

void GenerationCycle::finish(const Verdict& end, const Surroundings& around) {
  around.facts.finish(end.exit_code, end.reason, end.failure ? &*end.failure : nullptr);
  v1::Record record;
  *record.mutable_finished() = around.facts.finished();
  persist(std::move(record), around.out);
  say("the job ends: " + end.reason, around.out);
  enter(State::finished, around.now);
}

// --- after a restart of the server

void GenerationCycle::restore(const v1::Record& record, const Members& members) {
  switch (record.what_case()) {
    case v1::Record::kFormed: {
      auto plan = std::make_shared<const v1::Plan>(record.formed().plan());
      restarts_.restore(plan->restarts());
      generation_.begin(std::move(plan), members);
      state_ = State::preparing;  // or running, which the beats will tell
      break;
    }
    case v1::Record::kGone: generation_.remove(record.gone()); break;
    case v1::Record::kEnding:
      ending_.restore(record.ending());
      state_ = State::ending;
      break;
    case v1::Record::kEnded:
      restarts_.restore(record.ended());
      state_ = State::gathering;
      break;
    case v1::Record::kFinished: state_ = State::finished; break;
    default: break;
  }
}

void GenerationCycle::resume(Millis now) {
  state_since_ = now;
  ending_.resume(now);
  // A node was lost or left, and its ranks may live for as long as its lease.
  if (state_ != State::finished && generation_.any_lost()) hold_->restart(now);
}

}  // namespace tessera::rendezvous
