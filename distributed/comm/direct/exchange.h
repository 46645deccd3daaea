// Exchange: how a collective begins. Every rank tells every other what it called and where the
// bytes for it lie, in a line of shared memory where there is one, as a message else.
#pragma once

#include <memory>
#include <vector>

#include "distributed/comm/direct/engine.h"

namespace tessera {

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  // calls[p] is told to peer p, and so is the place of offers[p]: what p is to read, or may write.
  // An undefined or empty offer is none.
  Exchange(Engine& engine, std::vector<Call> calls, std::vector<Array> offers);

  // Tells all peers and adds their answers to the operation; false where the lines are still full.
  bool tell(Operation& op);
  // Once the answers are there: throws PeerError if a peer called something else.
  void compare();

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
  bool has_line(int peer) const;
  void tell_line(int peer, Operation& op);
  void tell_message(int peer, Operation& op);

  Engine& engine_;
  Neighbours* neighbours_;
  uint64_t number_;
  std::vector<Call> mine_;
  std::vector<Call> theirs_;
  std::vector<Array> offers_;
  std::vector<Place> places_;  // of our offers
  std::vector<Place> their_places_;
};

}  // namespace tessera
