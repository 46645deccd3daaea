// Ranks in two levels: those of one node, and nodes.
#pragma once

#include <memory>

#include "distributed/comm/communicator.h"

namespace tessera {

// A communicator of this rank alone, on the device of comm's. A collective where that is no CPU.
std::unique_ptr<Communicator> rank_alone(Communicator& comm);

// The ranks of a communicator, of which each `close` consecutive ones reach each other fast. What
// is divided among all of them (shard_cut.h) is divided among those first, and each share then
// among the nodes: so each byte crosses to another node once, not once for every rank there.
class Levels {
 public:
  // close divides all's size, and all outlives this. A collective.
  Levels(Communicator& all, int close);
  explicit Levels(std::unique_ptr<Communicator> all, int close);

  Communicator& all() const { return all_; }
  int size() const { return all_.size(); }
  int rank() const { return all_.rank(); }
  // This rank's node; the ranks with its place on every node. One of them is all of the ranks,
  // where there is but one level, and the other this rank alone.
  Communicator& near() const { return near_ ? *near_ : all_; }
  Communicator& far() const { return *far_; }

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator& all_;
  std::unique_ptr<Communicator> near_;
  std::unique_ptr<Communicator> far_;
};

}  // namespace tessera
