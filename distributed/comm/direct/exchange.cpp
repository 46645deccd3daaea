#include "distributed/comm/direct/exchange.h"

#include <cstring>

#include "distributed/comm/direct/tags.h"

namespace tessera {
namespace {

// What all ranks have in common of a call.
Call common(Call call) {
  call.bytes_to_reader = Call::kOfNoPair;
  call.bytes_from_reader = Call::kOfNoPair;
  return call;
}

}  // namespace

Exchange::Exchange(Engine& engine, std::vector<Call> calls, std::vector<Array> offers)
    : engine_(engine),
      lines_(engine, static_cast<uint64_t>(calls[0].sequence)),
      mine_(std::move(calls)),
      theirs_(mine_.size()),
      offers_(std::move(offers)),
      places_(mine_.size()),
      their_places_(mine_.size()) {
  if (!engine.tells_calls_directly()) rounds_.emplace(engine, common(mine_[0]));
  offers_.resize(mine_.size());
  for (int p = 0; p < engine_.size(); ++p) {
    const Array& array = offer(p);
    if (!array.defined() || array.numel() == 0 || !lines_.has(p)) continue;
    places_[static_cast<size_t>(p)] = engine_.transport().neighbours()->place_of(
        static_cast<const std::byte*>(array.raw()), array.nbytes());
  }
}

bool Exchange::tells_pair(int from, int to) const {
  if (from == to) return false;
  const Call& call = mine_[0];
  bool has_line = lines_.has(from == engine_.rank() ? to : from);
  switch (call.op) {
    case CommOp::barrier: return false;
    case CommOp::broadcast: return has_line && from == call.root;
    case CommOp::gather:
    case CommOp::scatter: return from == call.root || to == call.root;
    case CommOp::all_to_all: return true;
    default: return has_line;
  }
}

bool Exchange::lines_are_free() const {
  for (int p = 0; p < engine_.size(); ++p) {
    if (lines_.has(p) && tells(engine_.rank(), p) && !lines_.is_free(p)) return false;
  }
  return !rounds_ || rounds_->lines_are_free();
}

bool Exchange::tell(Operation& op) {
  if (!lines_are_free()) return false;
  std::shared_ptr<const void> owner = shared_from_this();
  int tag = rounds_ ? kPairTag : kCallTag;
  size_t later = rounds_ ? rounds_->count() : 0;  // until compare_pairs
  for (int p = 0; p < engine_.size(); ++p) {
    auto i = static_cast<size_t>(p);
    bool hears = tells(p, engine_.rank());
    bool says = tells(engine_.rank(), p);
    if (lines_.has(p)) {
      if (says) tell_line(p);
      if (hears) lines_.await(op, p, Lines::Until::told, later);
      continue;
    }
    if (hears) {
      engine_.receive(op, p, tag, std::as_writable_bytes(std::span(&theirs_[i], 1)), owner, later);
    }
    if (says) engine_.send(op, p, tag, std::as_bytes(std::span(&mine_[i], 1)), owner, later);
  }
  if (rounds_) rounds_->begin(0, op, owner);
  return true;
}

void Exchange::tell_line(int peer) {
  auto i = static_cast<size_t>(peer);
  Line::Slot& slot = lines_.to(peer);
  slot.call = mine_[i];
  slot.place = places_[i];
  if (carries() && carried_.numel() > 0) {
    std::memcpy(slot.small.data(), carried_.raw(), carried_.nbytes());
  }
  slot.told.store(lines_.mark(), std::memory_order_release);
}

void Exchange::add_comparison(Operation& op) {
  auto self = shared_from_this();
  for (size_t round = 0; rounds_ && round < rounds_->count(); ++round) {
    op.then([self, &op, round] {
      self->rounds_->end(round, op);
      if (round + 1 < self->rounds_->count()) self->rounds_->begin(round + 1, op, self);
    });
  }
  op.then([self] { self->compare_pairs(); });
}

void Exchange::compare_pairs() {
  for (int p = 0; p < engine_.size(); ++p) {
    if (!tells(p, engine_.rank())) continue;
    auto i = static_cast<size_t>(p);
    if (lines_.has(p)) {
      const Line::Slot& slot = lines_.from(p);
      theirs_[i] = slot.call;
      their_places_[i] = slot.place;
    }
    if (auto why = mismatch(mine_[i], engine_.rank(), theirs_[i], p)) throw PeerError(p, *why);
  }
}

std::byte* Exchange::reach(int peer, size_t bytes) const {
  const Place& place = their_places_[static_cast<size_t>(peer)];
  if (!place.defined()) return nullptr;
  Neighbours& neighbours = *engine_.transport().neighbours();
  return neighbours.reach(engine_.group().members[static_cast<size_t>(peer)], place, bytes);
}

bool Exchange::all_in_reach() const {
  for (int p = 0; p < engine_.size(); ++p) {
    auto i = static_cast<size_t>(p);
    if (p != engine_.rank() && !(places_[i].defined() && their_places_[i].defined())) return false;
  }
  return true;
}

void Exchange::take(Operation& op) {
  if (rounds_) rounds_->take();
  for (int p = 0; p < engine_.size(); ++p) {
    if (!lines_.has(p)) continue;
    if (tells(p, engine_.rank())) lines_.say_taken(p);
    if (tells(engine_.rank(), p) && reads_in_place(p)) lines_.await(op, p, Lines::Until::taken);
  }
}

}  // namespace tessera
