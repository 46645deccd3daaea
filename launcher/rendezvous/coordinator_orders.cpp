// What the coordinator tells its members, and those who ask; and how it comes back after a restart.
#include <fmt/format.h>

#include <utility>

#include "launcher/job/exit_codes.h"
#include "launcher/rendezvous/coordinator.h"

namespace tessera::rendezvous {

bool Coordinator::needs_plan(const Member& member) const {
  return state_ == State::preparing && member.place >= 0 && !member.has_plan;
}

v1::Order Coordinator::order_for(const Member& member) const {
  v1::Order order;
  order.set_acknowledged(member.sequence);
  order.set_generation(generation_);
  bool in_plan = member.place >= 0;
  if (state_ == State::finished) {
    order.set_kind(v1::Order::KIND_FINISH);
    order.set_exit_code(finish_.exit_code());
    order.set_reason(finish_.reason());
    if (finish_.has_failure()) *order.mutable_failure() = finish_.failure();
  } else if (state_ == State::ending && in_plan) {
    order.set_kind(v1::Order::KIND_END);
    order.set_graceful(ending_.graceful());
    order.set_reason(ending_.reason());
  } else if (member.leaving && (!in_plan || state_ == State::gathering)) {
    // The others go on; for this node the job has stopped with a checkpoint.
    order.set_kind(v1::Order::KIND_FINISH);
    order.set_exit_code(exit_codes::kStopped);
    order.set_reason("this node has left");
  } else if (state_ == State::running && in_plan) {
    order.set_kind(v1::Order::KIND_START);
  } else if (needs_plan(member)) {
    order.set_kind(v1::Order::KIND_PREPARE);
  } else {
    order.set_kind(v1::Order::KIND_WAIT);
    if (state_ == State::gathering && now_ < pause_until_) {
      order.set_reason(text_of_restart());
    } else if (job_ && state_ == State::gathering) {
      order.set_reason(fmt::format("{} of {} nodes are there", num_staying(), job_->min_nodes()));
    }
  }
  return order;
}

void Coordinator::send_order(const Member& member) {
  if (member.stream == 0) return;
  out_->emplace_back(
      SendOrder{member.stream, order_for(member), needs_plan(member) ? plan_ : nullptr});
}

void Coordinator::send_orders() {
  for (const auto& [id, member] : members_) send_order(member);
  orders_sent_ = true;
}

v1::StatusReply Coordinator::status(Millis now) const {
  v1::StatusReply reply;
  reply.set_job_id(began_.job_id());
  reply.set_state(name_of(state_));
  reply.set_generation(generation_);
  reply.set_restarts(restarts_);
  if (job_) *reply.mutable_job() = *job_;
  if (state_ == State::ending) reply.set_reason(ending_.reason());
  if (state_ == State::finished) reply.set_reason(finish_.reason());
  for (const auto& [id, member] : members_) {
    v1::StatusReply::Member& entry = *reply.add_members();
    entry.set_member(id);
    *entry.mutable_node() = member.node;
    entry.set_node_rank(member.place);
    entry.set_phase(member.phase);
    entry.set_silent_ms(now - member.last_seen);
    for (const v1::Progress& progress : member.progress) *entry.add_progress() = progress;
  }
  return reply;
}

std::vector<v1::Record> Coordinator::snapshot() const {
  std::vector<v1::Record> records;
  auto add = [&]() -> v1::Record& { return records.emplace_back(); };
  *add().mutable_began() = began_;
  if (job_) *add().mutable_job() = *job_;
  for (const auto& [id, member] : members_) {
    v1::Record::Added& added = *add().mutable_added();
    added.set_member(id);
    added.set_secret(member.secret);
    *added.mutable_node() = member.node;
  }
  if (plan_) *add().mutable_formed()->mutable_plan() = *plan_;
  if (state_ == State::ending) *add().mutable_ending() = ending_;
  bool ended = state_ == State::gathering || state_ == State::finished;
  if (ended && plan_) add().set_ended(restarts_);
  if (draining_) add().set_draining(*draining_);
  values_.snapshot(records);
  if (state_ == State::finished) *add().mutable_finished() = finish_;
  return records;
}

void Coordinator::restore(std::span<const v1::Record> records, Millis now) {
  now_ = now;
  for (const v1::Record& record : records) restore(record);
  // Nobody could be heard while there was no server, so all are given their time again.
  for (auto& [id, member] : members_) member.last_seen = now;
  last_join_ = now;
  state_since_ = now;
  if (state_ != State::finished && num_lost_ > 0) {
    // A node was lost or left, and its ranks may live for as long as its lease.
    hold_until_ = now + settings_.lease + settings_.margin;
  }
}

void Coordinator::restore(const v1::Record& record) {
  switch (record.what_case()) {
    case v1::Record::kBegan: began_ = record.began(); break;
    case v1::Record::kJob: job_ = record.job(); break;
    case v1::Record::kAdded:
      by_secret_[record.added().secret()] = record.added().member();
      add_member(record.added().member(), record.added().node(), record.added().secret());
      break;
    case v1::Record::kGone: {
      auto found = members_.find(record.gone());
      if (found == members_.end()) break;
      if (found->second.place >= 0) count_gone(found->second);
      by_secret_.erase(found->second.secret);
      members_.erase(found);
      break;
    }
    case v1::Record::kFormed:
      set_plan(std::make_shared<v1::Plan>(record.formed().plan()));
      restarts_ = plan_->restarts();
      state_ = State::preparing;  // or running, which the beats will tell
      break;
    case v1::Record::kEnding:
      ending_ = record.ending();
      state_ = State::ending;
      break;
    case v1::Record::kEnded:
      restarts_ = record.ended();
      state_ = State::gathering;
      break;
    case v1::Record::kFinished:
      finish_ = record.finished();
      state_ = State::finished;
      break;
    case v1::Record::kPut: values_.restore(record.put()); break;
    case v1::Record::kDraining: draining_ = record.draining(); break;
    case v1::Record::WHAT_NOT_SET: break;
  }
}

const char* name_of(Coordinator::State state) {
  switch (state) {
    case Coordinator::State::gathering: return "gathering";
    case Coordinator::State::preparing: return "preparing";
    case Coordinator::State::running: return "running";
    case Coordinator::State::ending: return "ending";
    case Coordinator::State::finished: return "finished";
  }
  return "";
}

std::string text_of(const v1::Failure& failure) {
  if (!failure.text().empty()) return failure.text();
  return "a node ended its ranks";
}

}  // namespace tessera::rendezvous
