// Neighbours: ranks that reach each other's memory, and need no messages for what lies there.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>

#include "core/storage.h"
#include "distributed/comm/call.h"

namespace tessera {

// Where bytes lie in memory that neighbours reach; nowhere by default.
struct Place {
  int64_t window = 0;  // of the rank that tells of the bytes, from 1
  int64_t offset = 0;
  bool defined() const { return window > 0; }
};

// What a rank tells a neighbour about the collectives of one communicator: a ring of slots, one for
// each collective, and how far it has got itself. It lies in memory that both reach.
struct Line {
  static constexpr uint64_t kSlots = 16;
  static constexpr size_t kSmallBytes = 6144;

  struct alignas(128) Slot {
    // 1 + the number of the collective that they are about: `told` of call, place and small, and
    // `called`, where ranks are many, of round_call (call_rounds.h).
    std::atomic<uint64_t> told{0};
    std::atomic<uint64_t> called{0};
    Call call;
    Place place;  // of what the neighbour may read, or the collective lets it write
    Call round_call;
    std::array<std::byte, kSmallBytes> small;  // or the bytes themselves (small_all_reduce.h)

    // Of the newest collective that is told here: for the rank that tells.
    uint64_t last() const {
      return std::max(told.load(std::memory_order_relaxed), called.load(std::memory_order_relaxed));
    }
  };

  // How many collectives' worth of the neighbour's bytes, and of its slots, are not needed any
  // more.
  alignas(128) std::atomic<uint64_t> taken{0};
  std::array<Slot, kSlots> slots;
};

// Whether the slot of the collective of this number, slot(), may be told anew to the neighbour
// whose line is `from` (null: there is none yet): when it needs no more of the one that had it
// before.
template <class SlotOf>
bool slot_is_free(const Line* from, uint64_t number, SlotOf&& slot) {
  uint64_t taken = from ? from->taken.load(std::memory_order_acquire) : 0;
  if (taken + Line::kSlots > number) return true;
  // Neighbours need not speak at every collective.
  return taken >= slot().last();
}
static_assert(std::atomic<uint64_t>::is_always_lock_free, "a Line is shared between processes");

// One rank's end. Ranks are numbered as in its transport.
class Neighbours {
 public:
  virtual ~Neighbours() = default;
  // Whether the peer, another rank, reaches this rank's memory and the other way round.
  virtual bool has(int peer) const = 0;
  // Whether each of these ranks has every other: the same answer on all ranks.
  virtual bool all_met(std::span<const int> members) const = 0;

  // Memory that neighbours reach, its content unspecified; ordinary memory where the system gives
  // no more of that.
  virtual std::shared_ptr<Storage> allocate(size_t bytes) = 0;
  // Of bytes of this rank; nowhere when they are not in such memory.
  virtual Place place_of(const std::byte* begin, size_t bytes) = 0;
  // The peer's bytes as this rank reads and writes them. The peer keeps them alive meanwhile.
  virtual std::byte* reach(int peer, Place place, size_t bytes) = 0;

  // Lines of a context (transport.h) to and from a neighbour. The latter is null until the
  // neighbour has made a communicator of the context; an Error when it has left it, which it does
  // with nothing more to take.
  virtual Line& line_to(int context, int peer) = 0;
  virtual const Line* line_from(int context, int peer) = 0;
  virtual bool has_left(int context, int peer) = 0;
  virtual void leave(int context) = 0;
};

}  // namespace tessera
