#include "distributed/comm/direct/exchange.h"

namespace tessera {
namespace {

// Calls have a tag of their own: those of the next collectives may be told before this one's data
// are sent.
constexpr int kCallTag = Communicator::kMaxTag + 2;

// A neighbour's line has come to the collective of this number: it has told of it, or taken it.
class LineMessage : public Message {
 public:
  enum class Until { told, taken };
  LineMessage(Neighbours& neighbours, int context, int peer, uint64_t number, Until until)
      : neighbours_(neighbours), context_(context), peer_(peer), number_(number), until_(until) {}

  bool done() override {
    if (until_ == Until::taken && neighbours_.has_left(context_, peer_)) return true;
    const Line* line = neighbours_.line_from(context_, peer_);
    if (!line) return false;
    if (until_ == Until::taken) return line->taken.load(std::memory_order_acquire) > number_;
    const Line::Slot& slot = line->slots[number_ % Line::kSlots];
    return slot.told.load(std::memory_order_acquire) == number_ + 1;
  }

 private:
  Neighbours& neighbours_;
  int context_;
  int peer_;
  uint64_t number_;
  Until until_;
};

}  // namespace

Exchange::Exchange(Engine& engine, std::vector<Call> calls, std::vector<Array> offers)
    : engine_(engine),
      neighbours_(engine.transport().neighbours()),
      number_(static_cast<uint64_t>(calls[0].sequence)),
      mine_(std::move(calls)),
      theirs_(mine_.size()),
      offers_(std::move(offers)),
      places_(mine_.size()),
      their_places_(mine_.size()) {
  offers_.resize(mine_.size());
  for (int p = 0; p < engine_.size(); ++p) {
    const Array& array = offer(p);
    if (!array.defined() || array.numel() == 0 || !has_line(p)) continue;
    places_[static_cast<size_t>(p)] =
        neighbours_->place_of(static_cast<const std::byte*>(array.raw()), array.nbytes());
  }
}

bool Exchange::has_line(int peer) const {
  return neighbours_ && peer != engine_.rank() &&
         neighbours_->has(engine_.group().members[static_cast<size_t>(peer)]);
}

bool Exchange::tell(Operation& op) {
  int context = engine_.group().contexts.front();
  for (int p = 0; p < engine_.size(); ++p) {
    if (!has_line(p) || number_ < Line::kSlots) continue;
    int member = engine_.group().members[static_cast<size_t>(p)];
    if (!slot_is_free(neighbours_->line_from(context, member), number_)) return false;
  }
  for (int p = 0; p < engine_.size(); ++p) {
    if (has_line(p)) tell_line(p, op);
    else if (p != engine_.rank()) tell_message(p, op);
  }
  return true;
}

void Exchange::tell_line(int peer, Operation& op) {
  auto i = static_cast<size_t>(peer);
  int context = engine_.group().contexts.front();
  int member = engine_.group().members[i];
  Line::Slot& slot = neighbours_->line_to(context, member).slots[number_ % Line::kSlots];
  slot.call = mine_[i];
  slot.place = places_[i];
  slot.told.store(number_ + 1, std::memory_order_release);
  op.add(peer, std::make_unique<LineMessage>(*neighbours_, context, member, number_,
                                             LineMessage::Until::told));
}

void Exchange::tell_message(int peer, Operation& op) {
  auto i = static_cast<size_t>(peer);
  std::shared_ptr<const void> owner = shared_from_this();
  engine_.receive(op, peer, kCallTag, std::as_writable_bytes(std::span(&theirs_[i], 1)), owner);
  engine_.send(op, peer, kCallTag, std::as_bytes(std::span(&mine_[i], 1)), owner);
}

void Exchange::compare() {
  for (int p = 0; p < engine_.size(); ++p) {
    if (p == engine_.rank()) continue;
    auto i = static_cast<size_t>(p);
    if (has_line(p)) {
      const Line* line =
          neighbours_->line_from(engine_.group().contexts.front(), engine_.group().members[i]);
      const Line::Slot& slot = line->slots[number_ % Line::kSlots];
      theirs_[i] = slot.call;
      their_places_[i] = slot.place;
    }
    if (auto why = mismatch(mine_[i], engine_.rank(), theirs_[i], p)) throw PeerError(p, *why);
  }
}

std::byte* Exchange::reach(int peer, size_t bytes) const {
  const Place& place = their_places_[static_cast<size_t>(peer)];
  if (!place.defined()) return nullptr;
  return neighbours_->reach(engine_.group().members[static_cast<size_t>(peer)], place, bytes);
}

bool Exchange::all_in_reach() const {
  for (int p = 0; p < engine_.size(); ++p) {
    auto i = static_cast<size_t>(p);
    if (p != engine_.rank() && !(places_[i].defined() && their_places_[i].defined())) return false;
  }
  return true;
}

void Exchange::take(Operation& op) {
  int context = engine_.group().contexts.front();
  for (int p = 0; p < engine_.size(); ++p) {
    if (!has_line(p)) continue;
    int member = engine_.group().members[static_cast<size_t>(p)];
    neighbours_->line_to(context, member).taken.store(number_ + 1, std::memory_order_release);
    if (!reads_in_place(p)) continue;
    op.add(p, std::make_unique<LineMessage>(*neighbours_, context, member, number_,
                                            LineMessage::Until::taken));
  }
}

}  // namespace tessera
