#include "launcher/rendezvous/coordinator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tessera::rendezvous {
namespace {

// Between two steps; what is longer was a pause of this process or of its machine.
constexpr Millis kDeaf = 500;
constexpr size_t kMinSecretBytes = 16;
constexpr size_t kMaxSecretBytes = 64;
constexpr int kMaxSlots = 4096;
constexpr int kMaxNodes = 100'000;
constexpr int kMaxProgress = 4096;

bool is_name(const std::string& text, std::string_view more) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

// Node names go into PMIx's maps, where commas and brackets mean something.
std::string trouble_with_node(const v1::Node& node) {
  if (!is_name(node.host(), "._-")) return "expected a host of letters, digits, '.', '_' and '-'";
  if (!is_name(node.address(), "._-:%")) return "expected an address: a name or a literal one";
  if (node.slots() < 1 || node.slots() > kMaxSlots) {
    return fmt::format("expected 1 to {} ranks on a node, got {}", kMaxSlots, node.slots());
  }
  if (node.port() < 0 || node.port() > 65535) return "expected a port from 0 to 65535";
  if (node.node_rank() < -1 || node.node_rank() >= kMaxNodes) {
    return fmt::format("expected a node rank from 0 to {}, or -1", kMaxNodes - 1);
  }
  return "";
}

std::string trouble_with_job(const v1::Job& job) {
  if (job.min_nodes() < 1 || job.max_nodes() < job.min_nodes() || job.max_nodes() > kMaxNodes) {
    return fmt::format("expected 1 <= minimum <= maximum <= {} nodes, got {} and {}", kMaxNodes,
                       job.min_nodes(), job.max_nodes());
  }
  if (job.max_restarts() < 0) return "expected no negative number of restarts";
  return "";
}

bool same(const v1::Job& a, const v1::Job& b) {
  return a.min_nodes() == b.min_nodes() && a.max_nodes() == b.max_nodes() &&
         a.max_restarts() == b.max_restarts();
}

std::string job_text(const v1::Job& job) {
  return fmt::format("{} to {} nodes and {} restarts", job.min_nodes(), job.max_nodes(),
                     job.max_restarts());
}

}  // namespace

Coordinator::Coordinator(const Settings& settings, v1::Record::Began began, Millis now)
    : settings_(settings),
      began_(std::move(began)),
      state_since_(now),
      last_join_(now),
      hold_until_(now),
      now_(now) {}

Outputs Coordinator::step(Millis now, const Input& input) {
  Outputs out;
  out_ = &out;
  orders_sent_ = false;
  if (now - now_ > kDeaf) skip(now - now_);
  now_ = std::max(now, now_);
  std::visit([&](const auto& any) { handle(any); }, input);
  out_ = nullptr;
  return out;
}

// Whether this process was stopped or its clock has jumped: beats could not come in, so nobody is
// lost for that, and what has to be waited for takes as long as before.
void Coordinator::skip(Millis pause) {
  for (auto& [id, member] : members_) member.last_seen += pause;
  hold_until_ += pause;
  pause_until_ += pause;
  state_since_ += pause;
  last_join_ += pause;
  if (bereaved_since_) *bereaved_since_ += pause;
}

void Coordinator::handle(const Tick&) {
  values_.expire(now_, *out_);
  for (auto member = members_.begin(); member != members_.end();) {
    auto next = std::next(member);
    if (now_ - member->second.last_seen > settings_.silence) lose_member(member);
    member = next;
  }
  advance();
}

void Coordinator::handle(const BeatCall& call) {
  const v1::Beat& beat = call.beat;
  auto found = find(beat.member(), beat.secret());
  if (found == members_.end()) {
    v1::Order order;
    order.set_kind(v1::Order::KIND_FENCED);
    order.set_acknowledged(beat.sequence());
    order.set_generation(generation_);
    order.set_reason("not a member of this job, or not any more");
    out_->emplace_back(SendOrder{call.stream, std::move(order), nullptr});
    return;
  }
  Member& member = found->second;
  if (beat.sequence() <= member.sequence) return;  // overtaken by a later one
  member.sequence = beat.sequence();
  member.last_seen = now_;
  member.stream = call.stream;
  if (beat.leaving() && !member.leaving) take_leave(member);
  take_report(member, beat);
  advance();
  if (!orders_sent_) send_order(member);
}

void Coordinator::take_leave(Member& member) {
  member.leaving = true;
  ++num_leaving_;
  std::string reason = fmt::format("node {} leaves", member.node.host());
  // Too few to go on without it: the job stops while all ranks can still save a checkpoint.
  if (num_staying() < static_cast<size_t>(job_->min_nodes())) drain(reason);
}

void Coordinator::take_report(Member& member, const v1::Beat& beat) {
  if (member.place < 0 || beat.generation() != generation_) return;
  member.has_plan = true;
  // A phase never goes back within a generation.
  if (beat.phase() < member.phase || !v1::Phase_IsValid(beat.phase())) return;
  if (beat.has_failure() && !member.failure) member.failure = beat.failure();
  member.stopped = beat.stopped();
  if (beat.progress_size() <= kMaxProgress) {
    member.progress.assign(beat.progress().begin(), beat.progress().end());
  }
  set_phase(member, beat.phase());
}

void Coordinator::set_phase(Member& member, v1::Phase phase) {
  --num_in_[static_cast<size_t>(member.phase)];
  ++num_in_[static_cast<size_t>(phase)];
  member.phase = phase;
}

std::optional<Refusal> Coordinator::trouble_with(const v1::JoinRequest& request) const {
  size_t secret = request.secret().size();
  if (secret < kMinSecretBytes || secret > kMaxSecretBytes) {
    return Refusal{Refused::bad_argument, fmt::format("expected a secret of {} to {} bytes, got {}",
                                                      kMinSecretBytes, kMaxSecretBytes, secret)};
  }
  std::string trouble = trouble_with_node(request.node());
  if (trouble.empty()) trouble = trouble_with_job(request.job());
  if (!trouble.empty()) return Refusal{Refused::bad_argument, trouble};
  if (job_ && !same(*job_, request.job())) {
    return Refusal{Refused::conflict, fmt::format("the job is of {}, this agent's of {}",
                                                  job_text(*job_), job_text(request.job()))};
  }
  if (members_.size() >= kMaxMembers) {
    return Refusal{Refused::exhausted, fmt::format("a job has at most {} nodes", kMaxMembers)};
  }
  int rank = request.node().node_rank();
  bool taken = rank >= 0 && std::any_of(members_.begin(), members_.end(), [&](const auto& other) {
                 return other.second.node.node_rank() == rank;
               });
  if (taken) return Refusal{Refused::taken, fmt::format("node rank {} is taken", rank)};
  return std::nullopt;
}

void Coordinator::handle(const JoinCall& call) {
  const v1::JoinRequest& request = call.request;
  auto known = by_secret_.find(request.secret());
  if (known == by_secret_.end()) {
    std::optional<Refusal> trouble = trouble_with(request);
    if (!trouble && state_ == State::finished) trouble = {Refused::aborted, "the job is over"};
    if (trouble) return refuse(call.call, trouble->why, std::move(trouble->text));
    if (!job_) {
      job_ = request.job();
      v1::Record record;
      *record.mutable_job() = *job_;
      persist(std::move(record));
    }
    v1::Record record;
    record.mutable_added()->set_member(next_member_);
    record.mutable_added()->set_secret(request.secret());
    *record.mutable_added()->mutable_node() = request.node();
    persist(std::move(record));
    known = by_secret_.emplace(request.secret(), next_member_).first;
    add_member(next_member_, request.node(), request.secret());
    say(fmt::format("{} joined with {} slots", request.node().host(), request.node().slots()));
  }
  v1::JoinReply reply;
  reply.set_member(known->second);
  reply.set_lease_ms(settings_.lease);
  reply.set_beat_ms(settings_.beat);
  reply.set_job_id(began_.job_id());
  reply.set_started_at(began_.started_at());
  reply.set_ranks_secret(began_.ranks_secret());
  out_->emplace_back(Answer{call.call, std::move(reply)});
  advance();
}

void Coordinator::add_member(MemberId id, const v1::Node& node, const std::string& secret) {
  Member& member = members_[id];
  member.node = node;
  member.secret = secret;
  member.last_seen = now_;
  last_join_ = now_;
  next_member_ = std::max(next_member_, id + 1);
}

Coordinator::Members::iterator Coordinator::find(MemberId id, const std::string& secret) {
  auto found = members_.find(id);
  return found != members_.end() && found->second.secret == secret ? found : members_.end();
}

bool Coordinator::holds_ranks(const Member& member) const {
  bool at_work = state_ == State::preparing || state_ == State::running || state_ == State::ending;
  return at_work && member.place >= 0 && member.phase != v1::PHASE_DONE &&
         member.phase != v1::PHASE_ENDED;
}

void Coordinator::lose_member(Members::iterator found) {
  const Member& member = found->second;
  Millis silent = now_ - member.last_seen;
  say(fmt::format("{} was silent for {} ms and is lost", member.node.host(), silent));
  if (holds_ranks(member)) {
    hold_until_ = std::max(hold_until_, member.last_seen + settings_.lease + settings_.margin);
    if (!loss_) {
      loss_.emplace();
      loss_->set_kind(v1::Failure::KIND_LOST);
      loss_->set_rank(-1);
      loss_->set_host(member.node.host());
      loss_->set_text(fmt::format("node {} was not heard of for {:.1f} s", member.node.host(),
                                  static_cast<double>(silent) / 1e3));
    }
  }
  remove_member(found);
}

void Coordinator::remove_member(Members::iterator found) {
  Member& member = found->second;
  if (member.place >= 0) count_gone(member);
  if (member.leaving) --num_leaving_;
  v1::Record record;
  record.set_gone(found->first);
  persist(std::move(record));
  by_secret_.erase(member.secret);
  members_.erase(found);
}

void Coordinator::count_gone(const Member& member) {
  --num_present_;
  gone_stopped_ = gone_stopped_ || member.stopped;
  // Of ranks that have ended well nothing is missing.
  if (member.phase == v1::PHASE_DONE) return;
  --num_in_[static_cast<size_t>(member.phase)];
  ++num_lost_;
}

void Coordinator::handle(const LeaveCall& call) {
  auto found = find(call.request.member(), call.request.secret());
  if (found == members_.end()) {
    return refuse(call.call, Refused::not_a_member, "not a member of this job");
  }
  if (state_ != State::finished) {
    const Member& member = found->second;
    say(fmt::format("{} left: {}", member.node.host(), call.request.reason().substr(0, 1000)));
    if (holds_ranks(member) && !loss_) {
      loss_.emplace();
      loss_->set_kind(v1::Failure::KIND_LEFT);
      loss_->set_rank(-1);
      loss_->set_host(member.node.host());
      loss_->set_text(fmt::format("node {} left", member.node.host()));
    }
  }
  remove_member(found);
  out_->emplace_back(Answer{call.call, v1::LeaveReply()});
  advance();
}

void Coordinator::handle(const FenceCall& call) {
  const v1::FenceRequest& request = call.request;
  auto found = find(request.member(), request.secret());
  if (found == members_.end()) {
    return refuse(call.call, Refused::not_a_member, "not a member of this job");
  }
  bool at_work = state_ == State::preparing || state_ == State::running ||
                 (state_ == State::ending && ending_.graceful());
  if (!at_work || request.generation() != generation_ || found->second.place < 0) {
    return refuse(call.call, Refused::aborted,
                  fmt::format("generation {} is not at work", request.generation()));
  }
  fences_.contribute(found->second.place, plan_->nodes_size(), call, *out_);
}

void Coordinator::handle(const DrainCall& call) {
  drain(call.request.reason().substr(0, 1000));
  out_->emplace_back(Answer{call.call, v1::DrainReply()});
  advance();
}

void Coordinator::drain(const std::string& reason) {
  if (draining_ || state_ == State::finished) return;
  draining_ = reason;
  say("asked to stop: " + reason);
  v1::Record record;
  record.set_draining(reason);
  persist(std::move(record));
}

void Coordinator::handle(const Abandoned& input) {
  fences_.abandon(input.call);
  values_.abandon(input.call);
}

void Coordinator::refuse(CallId call, Refused why, std::string text) {
  out_->emplace_back(Answer{call, Refusal{why, std::move(text)}});
}

}  // namespace tessera::rendezvous
