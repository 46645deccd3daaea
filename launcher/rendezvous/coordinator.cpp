#include "launcher/rendezvous/coordinator.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "launcher/rendezvous/admission.h"
#include "launcher/rendezvous/outputs.h"

namespace tessera::rendezvous {
namespace {

// Between two steps; what is longer was a pause of this process or of its machine.
constexpr Millis kDeaf = 500;
// Of what a caller says, more is cut off.
constexpr size_t kMaxReasonBytes = 1000;
constexpr const char* kNotAMember = "not a member of this job";

Addressee addressee_of(const Member& member, const NodeReport* report) {
  return {.sequence = member.sequence,
          .leaving = member.leaving,
          .in_plan = report != nullptr,
          .has_plan = report && report->has_plan};
}

}  // namespace

Coordinator::Coordinator(const Settings& settings, v1::Record::Began began, Millis now)
    : Coordinator(settings, std::move(began), now, std::make_unique<LeaseHold>(settings, now)) {}

Coordinator::Coordinator(const Settings& settings, v1::Record::Began began, Millis now,
                         std::unique_ptr<LeaseHold> hold)
    : settings_(settings),
      facts_(std::move(began)),
      members_(now),
      cycle_(settings, now, std::move(hold)),
      now_(now) {}

Outputs Coordinator::step(Millis now, const Input& input) {
  Outputs out;
  if (now - now_ > kDeaf) skip(now - now_);
  now_ = std::max(now, now_);
  std::visit([&](const auto& any) { handle(any, out); }, input);
  return out;
}

// Whether this process was stopped or its clock has jumped: beats could not come in, so nobody is
// lost for that, and what has to be waited for takes as long as before.
void Coordinator::skip(Millis pause) {
  members_.skip(pause);
  cycle_.skip(pause);
}

void Coordinator::handle(const Tick&, Outputs& out) {
  values_.expire(now_, out);
  for (MemberId id : members_.silent_for_longer(settings_.silence, now_)) {
    const Member& member = members_.at(id);
    say(fmt::format("{} was silent for {} ms and is lost", member.node.host(),
                    now_ - member.last_seen),
        out);
    cycle_.lose(id, member, now_);
    remove(id, out);
  }
  advance(out);
}

void Coordinator::handle(const BeatCall& call, Outputs& out) {
  std::optional<MemberId> id = members_.find(call.beat.member(), call.beat.secret());
  if (!id) {
    out.emplace_back(SendOrder{call.stream, fencing_order(call.beat, generation()), nullptr});
    return;
  }
  if (!members_.hear(*id, call, now_)) return;
  if (call.beat.leaving() && !members_.at(*id).leaving) take_leave(*id, out);
  cycle_.take_report(*id, call.beat);
  if (!advance(out)) send_order(standing(), *id, members_.at(*id), out);
}

void Coordinator::take_leave(MemberId id, Outputs& out) {
  members_.set_leaving(id);
  std::string reason = fmt::format("node {} leaves", members_.at(id).node.host());
  // Too few to go on without it: the job stops while all ranks can still save a checkpoint.
  if (members_.num_staying() < static_cast<size_t>(facts_.terms().min_nodes())) drain(reason, out);
}

void Coordinator::handle(const JoinCall& call, Outputs& out) {
  std::optional<MemberId> id = members_.with_secret(call.request.secret());
  if (!id) {
    std::optional<Refusal> trouble = trouble_with(call.request);
    if (trouble) return refuse(call.call, trouble->why, std::move(trouble->text), out);
    id = add(call.request, out);
  }
  v1::JoinReply reply;
  reply.set_member(*id);
  reply.set_lease_ms(settings_.lease);
  reply.set_beat_ms(settings_.beat);
  reply.set_job_id(facts_.began().job_id());
  reply.set_started_at(facts_.began().started_at());
  reply.set_ranks_secret(facts_.began().ranks_secret());
  out.emplace_back(Answer{call.call, std::move(reply)});
  advance(out);
}

std::optional<Refusal> Coordinator::trouble_with(const v1::JoinRequest& request) const {
  std::optional<Refusal> trouble = rendezvous::trouble_with(request);
  if (!trouble && facts_.has_terms()) trouble = difference_of(facts_.terms(), request.job());
  if (!trouble) trouble = members_.trouble_with(request.node());
  if (!trouble && facts_.is_over()) trouble = {Refused::aborted, "the job is over"};
  return trouble;
}

MemberId Coordinator::add(const v1::JoinRequest& request, Outputs& out) {
  if (!facts_.has_terms()) {
    facts_.agree(request.job());
    v1::Record record;
    *record.mutable_job() = request.job();
    persist(std::move(record), out);
  }
  MemberId id = members_.add(request.node(), request.secret(), now_);
  v1::Record record;
  record.mutable_added()->set_member(id);
  record.mutable_added()->set_secret(request.secret());
  *record.mutable_added()->mutable_node() = request.node();
  persist(std::move(record), out);
  say(fmt::format("{} joined with {} slots", request.node().host(), request.node().slots()), out);
  return id;
}

void Coordinator::remove(MemberId id, Outputs& out) {
  members_.remove(id);
  v1::Record record;
  record.set_gone(id);
  persist(std::move(record), out);
}

void Coordinator::handle(const LeaveCall& call, Outputs& out) {
  std::optional<MemberId> id = members_.find(call.request.member(), call.request.secret());
  if (!id) return refuse(call.call, Refused::not_a_member, kNotAMember, out);
  const Member& member = members_.at(*id);
  if (!facts_.is_over()) {
    say(fmt::format("{} left: {}", member.node.host(),
                    call.request.reason().substr(0, kMaxReasonBytes)),
        out);
  }
  cycle_.let_go(*id, member);
  remove(*id, out);
  out.emplace_back(Answer{call.call, v1::LeaveReply()});
  advance(out);
}

void Coordinator::handle(const FenceCall& call, Outputs& out) {
  std::optional<MemberId> id = members_.find(call.request.member(), call.request.secret());
  if (!id) return refuse(call.call, Refused::not_a_member, kNotAMember, out);
  cycle_.fence(*id, call, out);
}

void Coordinator::handle(const DrainCall& call, Outputs& out) {
  drain(call.request.reason().substr(0, kMaxReasonBytes), out);
  out.emplace_back(Answer{call.call, v1::DrainReply()});
  advance(out);
}

void Coordinator::drain(const std::string& reason, Outputs& out) {
  if (!facts_.ask_to_stop(reason)) return;
  say("asked to stop: " + reason, out);
  v1::Record record;
  record.set_draining(reason);
  persist(std::move(record), out);
}

void Coordinator::handle(const Abandoned& input, Outputs&) {
  cycle_.abandon(input.call);
  values_.abandon(input.call);
}

bool Coordinator::advance(Outputs& out) {
  bool told = false;
  while (cycle_.advance({now_, members_, facts_, out})) {
    Standing now = standing();
    for (const auto& [id, member] : members_.all()) send_order(now, id, member, out);
    told = true;
  }
  return told;
}

Standing Coordinator::standing() const {
  Standing out{state(), generation(), cycle_.ending(), facts_.finished(), ""};
  if (state() != State::gathering) return out;
  if (cycle_.restarts().is_pausing(now_)) {
    out.waiting = cycle_.restarts().text(facts_.terms().max_restarts());
  } else if (facts_.has_terms()) {
    out.waiting =
        fmt::format("{} of {} nodes are there", members_.num_staying(), facts_.terms().min_nodes());
  }
  return out;
}

void Coordinator::send_order(const Standing& standing, MemberId id, const Member& member,
                             Outputs& out) const {
  if (member.stream == 0) return;
  const Generation& generation = cycle_.generation();
  Addressee to = addressee_of(member, generation.find(id));
  out.emplace_back(SendOrder{member.stream, order_for(standing, to),
                             needs_plan(standing.state, to) ? generation.plan() : nullptr});
}

void Coordinator::say(std::string text, Outputs& out) const {
  out.emplace_back(Happened{generation(), std::move(text)});
}

v1::StatusReply Coordinator::status(Millis now) const {
  v1::StatusReply reply;
  reply.set_job_id(facts_.began().job_id());
  reply.set_state(name_of(state()));
  reply.set_generation(generation());
  reply.set_restarts(cycle_.restarts().count());
  if (facts_.has_terms()) *reply.mutable_job() = facts_.terms();
  if (state() == State::ending) reply.set_reason(cycle_.ending().reason());
  if (state() == State::finished) reply.set_reason(facts_.finished().reason());
  for (const auto& [id, member] : members_.all()) {
    const NodeReport* found = cycle_.generation().find(id);
    const NodeReport report = found ? *found : NodeReport();
    v1::StatusReply::Member& entry = *reply.add_members();
    entry.set_member(id);
    *entry.mutable_node() = member.node;
    entry.set_node_rank(report.place);
    entry.set_phase(report.phase);
    entry.set_silent_ms(now - member.last_seen);
    for (const v1::Progress& progress : report.progress) *entry.add_progress() = progress;
  }
  return reply;
}

std::vector<v1::Record> Coordinator::snapshot() const {
  std::vector<v1::Record> records;
  auto add = [&]() -> v1::Record& { return records.emplace_back(); };
  *add().mutable_began() = facts_.began();
  if (facts_.has_terms()) *add().mutable_job() = facts_.terms();
  for (const auto& [id, member] : members_.all()) {
    v1::Record::Added& added = *add().mutable_added();
    added.set_member(id);
    added.set_secret(member.secret);
    *added.mutable_node() = member.node;
  }
  const std::shared_ptr<const v1::Plan>& plan = cycle_.generation().plan();
  if (plan) *add().mutable_formed()->mutable_plan() = *plan;
  if (state() == State::ending) *add().mutable_ending() = cycle_.ending();
  if (plan && !is_at_work(state())) add().set_ended(cycle_.restarts().count());
  if (facts_.stop_reason()) add().set_draining(*facts_.stop_reason());
  values_.snapshot(records);
  if (facts_.is_over()) *add().mutable_finished() = facts_.finished();
  return records;
}

void Coordinator::restore(std::span<const v1::Record> records, Millis now) {
  now_ = now;
  for (const v1::Record& record : records) restore(record);
  // Nobody could be heard while there was no server, so all are given their time again.
  members_.resume(now);
  cycle_.resume(now);
}

void Coordinator::restore(const v1::Record& record) {
  facts_.restore(record);
  if (record.has_added()) members_.restore(record.added(), now_);
  if (record.has_gone()) members_.remove(record.gone());
  if (record.has_put()) values_.restore(record.put());
  // A snapshot names those who are gone only in the plan; nobody may come in their place.
  for (MemberId id : record.formed().plan().members()) members_.retire(id);
  cycle_.restore(record, members_);
}

}  // namespace tessera::rendezvous
