#include "distributed/comm/direct/small_all_reduce.h"

#include <cstring>

#include "distributed/comm/reduce_arrays.h"

namespace tessera {

SmallAllReduce::SmallAllReduce(Engine& engine, const Call& call, const Array& array,
                               ReduceKind kind)
    : Operation(call),
      engine_(engine),
      neighbours_(*engine.transport().neighbours()),
      context_(engine.group().contexts.front()),
      number_(static_cast<uint64_t>(call.sequence)),
      array_(array),
      kind_(kind) {}

bool SmallAllReduce::tell() {
  for (int p = 0; p < engine_.size(); ++p) {
    if (p == engine_.rank() || number_ < Line::kSlots) continue;
    auto slot = [&]() -> const Line::Slot& {
      return neighbours_.line_to(context_, member(p)).slots[number_ % Line::kSlots];
    };
    if (!slot_is_free(neighbours_.line_from(context_, member(p)), number_, slot)) return false;
  }
  for (int p = 0; p < engine_.size(); ++p) {
    if (p == engine_.rank()) continue;
    Line::Slot& slot = neighbours_.line_to(context_, member(p)).slots[number_ % Line::kSlots];
    slot.call = call();
    if (array_.numel() > 0) std::memcpy(slot.small.data(), array_.raw(), array_.nbytes());
    slot.told.store(number_ + 1, std::memory_order_release);
  }
  return true;
}

bool SmallAllReduce::advance() {
  for (; next_peer_ < engine_.size(); ++next_peer_) {
    if (next_peer_ == engine_.rank()) continue;
    wait_for(next_peer_);
    const Line* line = neighbours_.line_from(context_, member(next_peer_));
    if (!line) return false;
    const Line::Slot& slot = line->slots[number_ % Line::kSlots];
    if (slot.told.load(std::memory_order_acquire) != number_ + 1) return false;
    if (auto why = mismatch(call(), engine_.rank(), slot.call, next_peer_)) {
      throw PeerError(next_peer_, *why);
    }
  }
  wait_for(-1);
  reduce();
  set_done();
  return true;
}

void SmallAllReduce::reduce() {
  constexpr size_t kMany = 64;
  std::array<const void*, kMany> few;
  std::vector<const void*> many;
  auto size = static_cast<size_t>(engine_.size());
  if (size > kMany) many.resize(size);
  const void** inputs = size > kMany ? many.data() : few.data();
  for (int p = 0; p < engine_.size(); ++p) {
    auto i = static_cast<size_t>(p);
    if (p == engine_.rank()) inputs[i] = array_.raw();
    else
      inputs[i] =
          neighbours_.line_from(context_, member(p))->slots[number_ % Line::kSlots].small.data();
  }
  reduce_in_order(kind_, array_.dtype(), {inputs, size}, array_.raw(), array_.numel());
  for (int p = 0; p < engine_.size(); ++p) {
    if (p == engine_.rank()) continue;
    Line& line = neighbours_.line_to(context_, member(p));
    line.taken.store(number_ + 1, std::memory_order_release);
  }
  array_ = {};
}

}  // namespace tessera
