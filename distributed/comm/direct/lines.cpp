#include "distributed/comm/direct/lines.h"

namespace tessera {
namespace {

class LineMessage : public Message {
 public:
  LineMessage(Neighbours& neighbours, int context, int peer, uint64_t number, Lines::Until until)
      : neighbours_(neighbours), context_(context), peer_(peer), number_(number), until_(until) {}

  bool done() override {
    if (until_ == Lines::Until::taken && neighbours_.has_left(context_, peer_)) return true;
    const Line* line = neighbours_.line_from(context_, peer_);
    if (!line) return false;
    if (until_ == Lines::Until::taken) {
      return line->taken.load(std::memory_order_acquire) > number_;
    }
    const Line::Slot& slot = line->slots[number_ % Line::kSlots];
    const auto& flag = until_ == Lines::Until::called ? slot.called : slot.told;
    return flag.load(std::memory_order_acquire) == number_ + 1;
  }

 private:
  Neighbours& neighbours_;
  int context_;
  int peer_;
  uint64_t number_;
  Lines::Until until_;
};

}  // namespace

Lines::Lines(Engine& engine, uint64_t number)
    : engine_(engine), neighbours_(engine.transport().neighbours()), number_(number) {}

bool Lines::is_free(int peer) const {
  if (number_ < Line::kSlots) return true;
  return slot_is_free(neighbours_->line_from(context(), member(peer)), number_,
                      [&]() -> const Line::Slot& { return to(peer); });
}

Line::Slot& Lines::to(int peer) const {
  return neighbours_->line_to(context(), member(peer)).slots[number_ % Line::kSlots];
}

const Line::Slot& Lines::from(int peer) const {
  return neighbours_->line_from(context(), member(peer))->slots[number_ % Line::kSlots];
}

void Lines::say_taken(int peer) const {
  neighbours_->line_to(context(), member(peer)).taken.store(mark(), std::memory_order_release);
}

void Lines::await(Operation& op, int peer, Until what, size_t later) const {
  op.add(peer, std::make_unique<LineMessage>(*neighbours_, context(), member(peer), number_, what),
         later);
}

}  // namespace tessera
