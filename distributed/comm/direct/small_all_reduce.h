// An all_reduce of few bytes between ranks that share memory.
#pragma once

#include "distributed/comm/direct/engine.h"

namespace tessera {

// What a rank tells its peers of the call has room for the array itself: every rank adds all of
// them up, and nobody waits for an answer.
class SmallAllReduce final : public Operation {
 public:
  static bool fits(const Array& array) { return array.nbytes() <= Line::kSmallBytes; }

  // Between ranks of which each has every other as a neighbour. The engine outlives this.
  SmallAllReduce(Engine& engine, const Call& call, const Array& array, ReduceKind kind);

  bool tell() override;
  bool advance() override;
  void clear() override { array_ = {}; }

 private:
  int member(int peer) const { return engine_.group().members[static_cast<size_t>(peer)]; }
  void reduce();

  Engine& engine_;
  Neighbours& neighbours_;
  int context_;
  uint64_t number_;
  Array array_;
  ReduceKind kind_;
  int next_peer_ = 0;  // whose array has not come yet
};

}  // namespace tessera
