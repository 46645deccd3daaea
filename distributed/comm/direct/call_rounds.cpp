#include "distributed/comm/direct/call_rounds.h"

#include "distributed/comm/direct/tags.h"

namespace tessera {

CallRounds::CallRounds(Engine& engine, const Call& call)
    : engine_(engine), lines_(engine, static_cast<uint64_t>(call.sequence)), mine_(call) {
  int64_t size = engine.size();
  for (int64_t offset = 1; offset < size; offset *= 2) {
    auto peer = [&](int64_t by) { return static_cast<int>((engine.rank() + by) % size); };
    rounds_.push_back({peer(offset), peer(size - offset), {}});
  }
}

bool CallRounds::lines_are_free() const {
  for (const Round& round : rounds_) {
    if (lines_.has(round.to) && !lines_.is_free(round.to)) return false;
  }
  return true;
}

void CallRounds::begin(size_t index, Operation& op, const std::shared_ptr<const void>& owner) {
  Round& round = rounds_[index];
  // From round 1 on the peer may itself be waiting for another.
  op.set_waits_through_others(index > 0);
  if (lines_.has(round.to)) {
    Line::Slot& slot = lines_.to(round.to);
    slot.round_call = mine_;
    slot.called.store(lines_.mark(), std::memory_order_release);
  } else {
    engine_.send(op, round.to, kCallTag, std::as_bytes(std::span(&mine_, 1)), owner);
  }
  if (lines_.has(round.from)) {
    lines_.await(op, round.from, Lines::Until::called);
  } else {
    engine_.receive(op, round.from, kCallTag, std::as_writable_bytes(std::span(&round.theirs, 1)),
                    owner);
  }
}

void CallRounds::end(size_t index, Operation& op) {
  Round& round = rounds_[index];
  op.set_waits_through_others(false);
  if (lines_.has(round.from)) round.theirs = lines_.from(round.from).round_call;
  if (auto why = mismatch(mine_, engine_.rank(), round.theirs, round.from)) {
    throw PeerError(round.from, *why);
  }
}

void CallRounds::take() const {
  for (const Round& round : rounds_) {
    if (lines_.has(round.from)) lines_.say_taken(round.from);
  }
}

}  // namespace tessera
