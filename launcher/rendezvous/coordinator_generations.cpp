// How generations are formed, started and ended.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "launcher/job/exit_codes.h"
#include "launcher/rendezvous/coordinator.h"

namespace tessera::rendezvous {
namespace {

constexpr int kMaxSignal = 64;
// A rank that sees its peer killed may report it before the agent of the killed one does.
constexpr int64_t kSignalLead = 500;

int exit_code_of(const v1::Failure& failure) {
  switch (failure.kind()) {
    case v1::Failure::KIND_EXIT:
      return failure.value() > 0 && failure.value() < 256 ? failure.value() : exit_codes::kFailed;
    case v1::Failure::KIND_SIGNAL:
      return failure.value() > 0 && failure.value() <= kMaxSignal
                 ? exit_codes::kSignalBase + failure.value()
                 : exit_codes::kFailed;
    default: return exit_codes::kFailed;
  }
}

// The smallest is the cause of the others: a node that was lost before all, and after all that a
// node gave up its ranks because it heard nothing.
std::tuple<int, int64_t, int> precedence(const v1::Failure& failure) {
  int64_t lead = failure.kind() == v1::Failure::KIND_SIGNAL ? kSignalLead : 0;
  int64_t order = std::max<int64_t>(failure.order(), 0) - lead;
  int kind = 1;
  if (failure.kind() == v1::Failure::KIND_LOST) kind = 0;
  if (failure.kind() == v1::Failure::KIND_LAPSED) kind = 2;
  return {kind, order, failure.rank()};
}

// What restarts may have in common; empty for what comes from outside, which a pause does not mend:
// a rank that was killed or stopped, a node that went.
std::string shared_cause_of(const v1::Failure& failure) {
  constexpr int kKilled = 9;
  bool own = failure.kind() == v1::Failure::KIND_EXIT ||
             failure.kind() == v1::Failure::KIND_LAUNCH ||
             (failure.kind() == v1::Failure::KIND_SIGNAL && failure.value() != kKilled);
  return own ? fmt::format("{} {}", static_cast<int>(failure.kind()), failure.value()) : "";
}

v1::Record::Ending ending_of(const v1::Failure& failure) {
  v1::Record::Ending ending;
  ending.set_kind(v1::Record::Ending::KIND_FAILURE);
  *ending.mutable_failure() = failure;
  ending.set_reason(text_of(failure));
  return ending;
}

v1::Record::Ending graceful_ending(v1::Record::Ending::Kind kind, const std::string& reason) {
  v1::Record::Ending ending;
  ending.set_kind(kind);
  ending.set_graceful(true);
  ending.set_reason(reason);
  return ending;
}

}  // namespace

void Coordinator::advance() {
  while (advance_once()) {
  }
}

bool Coordinator::advance_once() {
  switch (state_) {
    case State::gathering: return form_when_enough();
    case State::preparing: return end_when_needed() || start_when_ready();
    case State::running: return end_when_needed();
    case State::ending: return conclude_when_ended();
    case State::finished: return false;
  }
  return false;
}

void Coordinator::enter(State state) {
  state_ = state;
  state_since_ = now_;
  bereaved_since_.reset();
  send_orders();
}

bool Coordinator::form_when_enough() {
  if (draining_) {
    finish(exit_codes::kStopped, nullptr, "stopped: " + *draining_);
    return true;
  }
  if (!job_ || now_ < hold_until_ || now_ < pause_until_) return false;
  size_t staying = num_staying();
  if (staying < static_cast<size_t>(job_->min_nodes())) {
    if (now_ - state_since_ < settings_.gather) return false;
    finish(exit_codes::kFailed, nullptr,
           fmt::format("only {} of {} nodes came in {} s", staying, job_->min_nodes(),
                       settings_.gather / 1000));
    return true;
  }
  bool full = staying >= static_cast<size_t>(job_->max_nodes());
  if (!full && now_ - last_join_ < settings_.settle) return false;
  form();
  return true;
}

std::vector<MemberId> Coordinator::next_members() const {
  std::vector<MemberId> ids;
  for (const auto& [id, member] : members_) {
    if (!member.leaving) ids.push_back(id);
  }
  auto key = [&](MemberId id) {
    int rank = members_.at(id).node.node_rank();
    return std::tuple(rank < 0, rank, id);
  };
  // Those who have been there longest stay; the user's numbers order them.
  auto most = static_cast<size_t>(job_->max_nodes());
  if (ids.size() > most) ids.resize(most);
  std::sort(ids.begin(), ids.end(), [&](MemberId a, MemberId b) { return key(a) < key(b); });
  return ids;
}

void Coordinator::form() {
  auto plan = std::make_shared<v1::Plan>();
  int world_size = 0;
  plan->set_generation(generation_ + 1);
  plan->set_restarts(restarts_);
  for (MemberId id : next_members()) {
    plan->add_members(id);
    *plan->add_nodes() = members_.at(id).node;
    world_size += members_.at(id).node.slots();
  }
  plan->set_world_size(world_size);
  v1::Record record;
  *record.mutable_formed()->mutable_plan() = *plan;
  persist(std::move(record));
  fences_.clear("a new generation is formed", *out_);
  set_plan(std::move(plan));
  say(fmt::format("generation {} of {} node{} and {} rank{} is formed", generation_,
                  plan_->nodes_size(), plan_->nodes_size() == 1 ? "" : "s", world_size,
                  world_size == 1 ? "" : "s"));
  enter(State::preparing);
}

void Coordinator::set_plan(std::shared_ptr<const v1::Plan> plan) {
  plan_ = std::move(plan);
  generation_ = plan_->generation();
  num_in_.fill(0);
  num_lost_ = num_present_ = 0;
  gone_stopped_ = false;
  loss_.reset();
  for (auto& [id, member] : members_) {
    member.place = -1;
    member.phase = v1::PHASE_IDLE;
    member.has_plan = false;
    member.stopped = false;
    member.failure.reset();
    member.progress.clear();
  }
  for (int place = 0; place < plan_->members_size(); ++place) {
    // A snapshot names those who are gone only here; nobody may come in their place.
    next_member_ = std::max(next_member_, plan_->members(place) + 1);
    auto found = members_.find(plan_->members(place));
    if (found == members_.end()) {
      ++num_lost_;
      continue;
    }
    found->second.place = place;
    ++num_present_;
    ++num_in_[v1::PHASE_IDLE];
  }
}

bool Coordinator::start_when_ready() {
  if (!all_ready()) return false;
  say(fmt::format("generation {} starts", generation_));
  enter(State::running);
  return true;
}

bool Coordinator::all_ready() const {
  return num_in(v1::PHASE_READY) + num_in(v1::PHASE_RUNNING) + num_in(v1::PHASE_DONE) ==
         plan_size();
}

// Empty: there is none. Whoever comes while the others prepare waits until they have: many who come
// one after the other would keep them from ever being ready.
std::string Coordinator::reason_to_regroup() const {
  if (num_leaving_ > 0) {
    for (const auto& [id, member] : members_) {
      if (member.leaving && member.place >= 0) return member.node.host() + " leaves";
    }
  }
  bool room = plan_size() < static_cast<size_t>(job_->max_nodes());
  bool newcomer = num_staying() > num_present_;
  bool settled = now_ - last_join_ >= settings_.settle;
  bool ready = state_ == State::running || all_ready();
  return ready && room && newcomer && settled ? "a node has joined" : "";
}

std::optional<v1::Record::Ending> Coordinator::reason_to_end() const {
  using Ending = v1::Record::Ending;
  if (num_in(v1::PHASE_DONE) == plan_size()) {
    return graceful_ending(Ending::KIND_COMPLETE, kAllEnded);
  }
  if (const v1::Failure* failure = first_failure()) return ending_of(*failure);
  if (num_in(v1::PHASE_FAILED) + num_in(v1::PHASE_ENDED) + num_lost_ > 0) {
    return ending_of(v1::Failure());
  }
  if (state_ == State::preparing && now_ - state_since_ > settings_.prepare) {
    v1::Failure late;
    late.set_kind(v1::Failure::KIND_LAUNCH);
    late.set_rank(-1);
    late.set_text(fmt::format("not all nodes were ready for their ranks within {} s",
                              settings_.prepare / 1000));
    return ending_of(late);
  }
  if (draining_) return graceful_ending(Ending::KIND_DRAIN, "stopping: " + *draining_);
  std::string regroup = reason_to_regroup();
  if (!regroup.empty()) return graceful_ending(Ending::KIND_REGROUP, regroup);
  return std::nullopt;
}

bool Coordinator::end_when_needed() {
  auto ending = reason_to_end();
  if (!ending) return false;
  begin_ending(std::move(*ending));
  return true;
}

void Coordinator::begin_ending(v1::Record::Ending ending) {
  ending_ = std::move(ending);
  say(fmt::format("generation {} ends: {}", generation_, ending_.reason()));
  persist_ending();
  enter(State::ending);
}

void Coordinator::persist_ending() {
  v1::Record record;
  *record.mutable_ending() = ending_;
  persist(std::move(record));
  // Ranks that are to stop after a checkpoint may still be on their way through MPI_Init.
  if (!ending_.graceful()) fences_.clear("the generation ends", *out_);
}

bool Coordinator::conclude_when_ended() {
  size_t dead = num_in(v1::PHASE_DONE) + num_in(v1::PHASE_ENDED) + num_lost_;
  if (dead == plan_size() && now_ >= hold_until_) {
    conclude();
    return true;
  }
  bool bereaved = num_in(v1::PHASE_FAILED) + num_in(v1::PHASE_ENDED) + num_lost_ > 0;
  if (bereaved && !bereaved_since_) bereaved_since_ = now_;
  if (ending_.graceful() && end_is_late()) {
    ending_.set_graceful(false);
    persist_ending();
    say("the ranks did not stop in time and are killed");
    enter(State::ending);
  }
  return false;
}

bool Coordinator::end_is_late() const {
  return now_ - state_since_ > settings_.grace ||
         (bereaved_since_ && now_ - *bereaved_since_ > settings_.bereaved);
}

// The failure that caused the others; none if there is none.
const v1::Failure* Coordinator::first_failure() const {
  const v1::Failure* first = loss_ ? &*loss_ : nullptr;
  if (num_in(v1::PHASE_FAILED) + num_in(v1::PHASE_ENDED) == 0) return first;
  for (const auto& [id, member] : members_) {
    if (member.place < 0 || !member.failure) continue;
    if (!first || precedence(*member.failure) < precedence(*first)) first = &*member.failure;
  }
  return first;
}

void Coordinator::conclude() {
  bool stopped = gone_stopped_ || std::any_of(members_.begin(), members_.end(),
                                              [](const auto& each) { return each.second.stopped; });
  if (num_in(v1::PHASE_DONE) == plan_size() && !stopped) return finish(0, nullptr, "done");
  bool complete = ending_.kind() == v1::Record::Ending::KIND_COMPLETE;
  if (complete || ending_.kind() == v1::Record::Ending::KIND_DRAIN) {
    // A program that knows nothing of checkpoints died of the signal to stop.
    const v1::Failure* failure = stopped ? nullptr : first_failure();
    std::string why = complete ? "with a checkpoint" : *draining_;
    return finish(failure ? exit_code_of(*failure) : exit_codes::kStopped, failure,
                  "stopped: " + why);
  }
  if (ending_.kind() == v1::Record::Ending::KIND_FAILURE) conclude_failure();
  if (state_ == State::finished) return;
  v1::Record record;
  record.set_ended(restarts_);
  persist(std::move(record));
  enter(State::gathering);
}

// Counts a restart, or ends the job where there can be none.
void Coordinator::conclude_failure() {
  const v1::Failure* first = first_failure();
  // The only one that outlives its node's going and a restart of the server.
  const v1::Failure& reason = ending_.failure();
  bool known = reason.kind() != v1::Failure::KIND_UNKNOWN;
  if (!first || (known && precedence(reason) < precedence(*first))) first = &reason;
  const v1::Failure failure = *first;
  if (failure.kind() == v1::Failure::KIND_LAPSED) return;
  // The same words would be wrong again.
  bool bad_usage =
      failure.kind() == v1::Failure::KIND_EXIT && failure.value() == exit_codes::kBadUsage;
  if (bad_usage || restarts_ >= job_->max_restarts()) {
    return finish(exit_code_of(failure), &failure, text_of(failure));
  }
  ++restarts_;
  pause_after(failure);
  say(text_of_restart());
}

std::string Coordinator::text_of_restart() const {
  std::string text = fmt::format("restart {} of {}", restarts_, job_->max_restarts());
  if (same_causes_ < 2) return text;
  return fmt::format("{} waits {:.0f} s: one cause has ended {} generations without progress", text,
                     static_cast<double>(pause_) / 1e3, same_causes_);
}

// What fails for want of something that others hold, a full disk, say, would use up all restarts in
// seconds.
void Coordinator::pause_after(const v1::Failure& failure) {
  std::string cause = shared_cause_of(failure);
  int64_t step = furthest_step();
  bool same = !cause.empty() && cause == last_cause_ && step <= step_at_restart_;
  same_causes_ = same ? same_causes_ + 1 : 1;
  last_cause_ = cause;
  step_at_restart_ = std::max(step, step_at_restart_);
  if (same_causes_ < 2) return;
  constexpr int kMaxDoublings = 20;
  pause_ = std::min(settings_.pause << std::min(same_causes_ - 2, kMaxDoublings),
                    settings_.longest_pause);
  pause_until_ = now_ + pause_;
}

int64_t Coordinator::furthest_step() const {
  int64_t furthest = 0;
  for (const auto& [id, member] : members_) {
    for (const v1::Progress& progress : member.progress) {
      furthest = std::max(furthest, progress.step());
    }
  }
  return furthest;
}

void Coordinator::finish(int exit_code, const v1::Failure* failure, const std::string& reason) {
  finish_.set_exit_code(exit_code);
  finish_.set_reason(reason);
  if (failure) *finish_.mutable_failure() = *failure;
  v1::Record record;
  *record.mutable_finished() = finish_;
  persist(std::move(record));
  say("the job ends: " + reason);
  enter(State::finished);
}

}  // namespace tessera::rendezvous
