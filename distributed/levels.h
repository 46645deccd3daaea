// Ranks in two levels: those of one machine, and machines.
#pragma once

#include <memory>
#include <vector>

#include "distributed/comm/communicator.h"
#include "distributed/shard.h"

namespace tessera {

// A communicator of this rank alone, on the device of comm's. A collective where that is no CPU.
std::unique_ptr<Communicator> rank_alone(Communicator& comm);

// The ranks of a communicator, of which each `close` consecutive ones reach each other fast. What
// is divided among all of them is divided among those first, and each part then among the machines:
// so each byte crosses to another machine once, not once for every rank there.
class Levels {
 public:
  // close divides all's size, and all outlives this. A collective.
  Levels(Communicator& all, int close);
  explicit Levels(std::unique_ptr<Communicator> all, int close);

  Communicator& all() const { return all_; }
  int size() const { return all_.size(); }
  int rank() const { return all_.rank(); }
  // This rank's machine; the ranks with its place on every machine. One of them is all of the
  // ranks, where there is but one level, and the other this rank alone.
  Communicator& near() const { return near_ ? *near_ : all_; }
  Communicator& far() const { return *far_; }

  // The elements of a flat array that a rank owns: whole chunks, uneven where they must be.
  Run shard(int64_t elements, int rank) const;
  Run own_shard(int64_t elements) const { return shard(elements, rank()); }
  // Those that the ranks with its place on every machine own together, contiguous.
  Run near_shard(int64_t elements) const;
  // Views of every rank's.
  std::vector<Array> cut(const Array& flat) const;

 private:
  std::unique_ptr<Communicator> owned_;
  Communicator& all_;
  std::unique_ptr<Communicator> near_;
  std::unique_ptr<Communicator> far_;
};

// Makes a flat array whole on every rank from everybody's shard, level by level.
class Gather {
 public:
  // Starts. `own` is this rank's shard of `whole`, or in its place there.
  Gather(const Levels& levels, const Array& own, const Array& whole);
  // The second level, when the first has arrived. Once between the start and wait, if anywhere.
  void step();
  void wait();

 private:
  Communicator* near_;
  Array near_part_;
  std::vector<Array> near_parts_;  // empty once they are on their way
  Work work_;
};

}  // namespace tessera
