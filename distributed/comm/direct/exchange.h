// Exchange: how a collective begins. Ranks learn what all of them called, and from neighbours, with
// whom they share memory, where the bytes for them lie.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "distributed/comm/direct/call_rounds.h"

namespace tessera {

// Few ranks (CommOptions::direct_calls) tell each other directly, in one round: a rank that is late
// is then known to all of them. More compare their calls in CallRounds, and each pair of them tells
// each other, beside that, only what is between the two: where bytes lie that one of them reads
// from the other's memory, and the sizes of a pair, which the others do not know.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  // calls[p] is told to peer p, and so is the place of offers[p]: what p is to read, or may write.
  // An undefined or empty offer is none.
  Exchange(Engine& engine, std::vector<Call> calls, std::vector<Array> offers);

  // Lets what is told over lines have the elements with it, SmallAllReduce::fits. Before tell,
  // where all ranks are neighbours and calls are not told directly.
  void carry(const Array& array) { carried_ = array; }
  bool carries() const { return carried_.defined(); }
  // Another rank's, once compared.
  const std::byte* carried(int peer) const { return lines_.from(peer).small.data(); }

  // Tells peers and adds their answers to the operation, which has no step yet that has run; false
  // where lines are still full.
  bool tell(Operation& op);
  // Adds the steps that wait for all answers and throw PeerError if a peer called something else.
  // Before any other step.
  void add_comparison(Operation& op);

  Engine& engine() const { return engine_; }
  const std::vector<Array>& offers() const { return offers_; }
  const Array& offer(int peer) const { return offers_[static_cast<size_t>(peer)]; }
  // Whether the peer reads our offer where it lies; else it is to be sent.
  bool reads_in_place(int peer) const { return places_[static_cast<size_t>(peer)].defined(); }
  // The peer's offer of `bytes` bytes where it lies; null where it is to be received.
  std::byte* reach(int peer, size_t bytes) const;
  // Whether this rank's offers and all peers' are in reach.
  bool all_in_reach() const;

  // Says to the peers that their offers are not needed any more, and adds to the operation that
  // they say the same of ours. Once, when this rank has read them.
  void take(Operation& op);

 private:
  // Whether rank `from` tells rank `to`, one of which is this rank, more than CallRounds does.
  bool tells(int from, int to) const { return rounds_ ? tells_pair(from, to) : from != to; }
  bool tells_pair(int from, int to) const;
  bool lines_are_free() const;
  void tell_line(int peer);
  void compare_pairs();

  Engine& engine_;
  Lines lines_;
  std::vector<Call> mine_;
  std::vector<Call> theirs_;
  std::vector<Array> offers_;
  std::vector<Place> places_;  // of our offers
  std::vector<Place> their_places_;
  Array carried_;
  std::optional<CallRounds> rounds_;  // none: all tell all
};

}  // namespace tessera
