#include "launcher/agent/agent_protocol.h"

#include <algorithm>
#include <utility>

#include "launcher/job/exit_codes.h"

namespace tessera::agent {

void AgentProtocol::joined(v1::JoinReply reply, std::string secret) {
  membership_ = std::move(reply);
  secret_ = std::move(secret);
  generation_ = 0;
  phase_ = v1::PHASE_IDLE;
  unacknowledged_.clear();
  sequence_ = 0;
}

v1::Beat AgentProtocol::beat(Millis now) {
  v1::Beat beat;
  beat.set_member(membership_.member());
  beat.set_secret(secret_);
  beat.set_sequence(++sequence_);
  beat.set_generation(generation_);
  beat.set_phase(phase_);
  beat.set_stopped(stopped_);
  beat.set_leaving(leaving_);
  if (failure_) *beat.mutable_failure() = *failure_;
  unacknowledged_.push_back({sequence_, now});
  return beat;
}

// The server heard that beat, so at the earliest when it was sent it knew of us.
void AgentProtocol::acknowledge(uint64_t sequence) {
  while (!unacknowledged_.empty() && unacknowledged_.front().sequence <= sequence) {
    lease_until_ = std::max(lease_until_, unacknowledged_.front().at + membership_.lease_ms());
    unacknowledged_.pop_front();
  }
}

Actions AgentProtocol::order(Millis now, const v1::Order& order) {
  Actions out = tick(now);
  if (order.kind() == v1::Order::KIND_FENCED) {
    fenced_ = true;
    kill(out);
    settle(out);
    return out;
  }
  acknowledge(order.acknowledged());
  switch (order.kind()) {
    case v1::Order::KIND_PREPARE: prepare(order.plan(), out); break;
    case v1::Order::KIND_START:
      if (order.generation() == generation_ && phase_ == v1::PHASE_READY &&
          ranks_ == Ranks::prepared) {
        phase_ = v1::PHASE_RUNNING;
        ranks_ = Ranks::running;
        out.emplace_back(Start{});
      }
      break;
    case v1::Order::KIND_END: end(order, out); break;
    case v1::Order::KIND_FINISH:
      finish_ = order;
      kill(out);
      settle(out);
      break;
    default: break;
  }
  return out;
}

void AgentProtocol::prepare(const v1::Plan& plan, Actions& out) {
  if (plan.generation() <= generation_ || ranks_ != Ranks::none || fenced_) return;
  const auto& members = plan.members();
  auto own = std::find(members.begin(), members.end(), membership_.member());
  if (own == members.end()) return;
  generation_ = plan.generation();
  phase_ = v1::PHASE_PREPARING;
  ranks_ = Ranks::prepared;
  num_ended_ = 0;
  all_well_ = stopped_ = stopping_ = false;
  failure_.reset();
  out.emplace_back(Prepare{plan, static_cast<int>(own - members.begin())});
}

void AgentProtocol::ready() {
  if (phase_ == v1::PHASE_PREPARING) phase_ = v1::PHASE_READY;
}

void AgentProtocol::end(const v1::Order& order, Actions& out) {
  if (order.generation() > generation_) {
    // Of a generation that this node has not even prepared; it never will.
    generation_ = order.generation();
    kill(out);
    if (ranks_ == Ranks::none) phase_ = v1::PHASE_ENDED;
    return;
  }
  if (order.generation() < generation_) return;
  if (!order.graceful() || ranks_ != Ranks::running) return kill(out);
  if (!std::exchange(stopping_, true)) out.emplace_back(Stop{});
}

Actions AgentProtocol::rank_ended(int code, const std::optional<v1::Failure>& failure) {
  Actions out;
  if (ranks_ != Ranks::running) return out;
  ++num_ended_;
  stopped_ = stopped_ || (!failure && code == job::exit_codes::kStopped);
  if (failure && !failure_) failure_ = failure;
  if (num_ended_ == slots_) {
    all_well_ = !failure_;
    kill(out);
  } else if (failure) {
    phase_ = v1::PHASE_FAILED;
    // Those that are stopping get a little time; the server knows how much.
    if (!stopping_) kill(out);
  }
  return out;
}

Actions AgentProtocol::lapsed() {
  v1::Failure failure;
  failure.set_kind(v1::Failure::KIND_LAPSED);
  failure.set_rank(-1);
  failure.set_text("the rendezvous could not be reached within the lease");
  return failed(failure);
}

Actions AgentProtocol::failed(const v1::Failure& failure) {
  Actions out;
  if (ranks_ != Ranks::running && ranks_ != Ranks::prepared) return out;
  if (!failure_) failure_ = failure;
  phase_ = v1::PHASE_FAILED;
  kill(out);
  return out;
}

void AgentProtocol::kill(Actions& out) {
  if (ranks_ == Ranks::none || ranks_ == Ranks::dying) return;
  ranks_ = Ranks::dying;
  out.emplace_back(Kill{});
}

Actions AgentProtocol::dead() {
  Actions out;
  ranks_ = Ranks::none;
  phase_ = all_well_ ? v1::PHASE_DONE : v1::PHASE_ENDED;
  settle(out);
  return out;
}

// Does what waited for the ranks' death.
void AgentProtocol::settle(Actions& out) {
  if (ranks_ != Ranks::none) return;
  if (finish_) {
    out.emplace_back(Exit{*finish_});
  } else if (std::exchange(fenced_, false)) {
    out.emplace_back(Rejoin{});
  }
}

Actions AgentProtocol::tick(Millis now) {
  Actions out;
  bool lives = ranks_ == Ranks::running || ranks_ == Ranks::prepared;
  if (lives && now >= lease_until_) out = lapsed();
  return out;
}

}  // namespace tessera::agent
