// The calls of many ranks compared in few messages.
#pragma once

#include <memory>
#include <vector>

#include "distributed/comm/direct/lines.h"

namespace tessera {

// Whether all ranks made the same call, as each of them knows in the end: a dissemination barrier
// (Hensgen, Finkel and Manber 1988) whose messages are calls. In round k a rank sends its own to
// the rank 2^k places after it and compares what comes from the rank 2^k before: a rank that takes
// part in round k has found the 2^k calls up to its own the same. So ceil(log2 N) messages of each
// of N ranks stand for the N (N - 1) pairs; and where calls differ at all, two ranks next to each
// other differ, who find it in round 0 and have both calls, places included.
//
// Two ranks meet in one round at most, so messages of a pair keep the order of collectives.
class CallRounds {
 public:
  // `call` has nothing that is between two ranks only (Call::bytes_to_reader). The engine outlives
  // this.
  CallRounds(Engine& engine, const Call& call);

  size_t count() const { return rounds_.size(); }
  // Whether the lines that the rounds go over may be written.
  bool lines_are_free() const;
  // Sends the call to the round's peer, and lets the operation's next step wait for its peer's.
  // `owner` keeps this alive meanwhile.
  void begin(size_t round, Operation& op, const std::shared_ptr<const void>& owner);
  // Once that has come: throws PeerError where it is another call.
  void end(size_t round, Operation& op);
  // Of those whose lines were read.
  void take() const;

 private:
  struct Round {
    int to;
    int from;
    Call theirs;
  };

  Engine& engine_;
  Lines lines_;
  Call mine_;
  std::vector<Round> rounds_;
};

}  // namespace tessera
