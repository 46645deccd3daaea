// What one collective says to neighbours over their lines (neighbours.h).
#pragma once

#include "distributed/comm/direct/engine.h"

namespace tessera {

// The lines of an engine's communicator, at the collective of one number. Ranks are numbered as in
// the communicator. The engine outlives this.
class Lines {
 public:
  // What a neighbour's line says at this collective: who called what (CallRounds), all the rest, or
  // that it needs no more of ours.
  enum class Until { called, told, taken };

  Lines(Engine& engine, uint64_t number);

  bool has(int peer) const {
    return neighbours_ && peer != engine_.rank() && neighbours_->has(member(peer));
  }
  // Whether the slot to the peer, who has a line, may be written: no earlier collective needs it.
  bool is_free(int peer) const;
  Line::Slot& to(int peer) const;
  // Once the peer's has been awaited.
  const Line::Slot& from(int peer) const;
  // What the flags of a slot and of a line say of this collective, stored after all else.
  uint64_t mark() const { return number_ + 1; }
  void say_taken(int peer) const;
  // The operation's step after `later` others waits for the peer's line.
  void await(Operation& op, int peer, Until what, size_t later = 0) const;

 private:
  int member(int peer) const { return engine_.group().members[static_cast<size_t>(peer)]; }
  int context() const { return engine_.group().contexts.front(); }

  Engine& engine_;
  Neighbours* neighbours_;
  uint64_t number_;
};

}  // namespace tessera
