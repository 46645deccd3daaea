// How a flat array is cut between ranks.
#pragma once

#include <vector>

#include "distributed/levels.h"
#include "distributed/shard.h"

namespace tessera {

// One interval of elements for each rank of a Levels, whole chunks, in the order (place on its
// node, node): what the ranks with one place on all nodes own lies together, so that it crosses
// between nodes once.
class ShardCut {
 public:
  // As even as chunks allow.
  static ShardCut even(int64_t elements, const Levels& levels);
  // Of no elements, for no ranks.
  ShardCut() = default;
  // sizes[k] elements for the k-th rank in that order, each a multiple of kChunkElements but for
  // the last that has any.
  ShardCut(const std::vector<int64_t>& sizes, const Levels& levels);

  // Where a rank stands in the order, and how many there are.
  static size_t order(const Levels& levels, int rank);

  Interval of(int rank) const { return intervals_[static_cast<size_t>(rank)]; }
  Interval own() const { return of(rank_); }
  int64_t elements() const { return elements_; }
  // Of the ranks of this rank's node, what those with their places on all nodes own.
  const std::vector<Interval>& near() const { return near_; }
  Interval own_near() const { return near_[static_cast<size_t>(near_rank_)]; }
  // Of the ranks with this rank's place on every node, counted from the beginning of own_near().
  const std::vector<Interval>& far() const { return far_; }

 private:
  int rank_ = 0;
  int near_rank_ = 0;
  int64_t elements_ = 0;
  std::vector<Interval> intervals_;  // by rank
  std::vector<Interval> near_, far_;
};

// Views of the intervals.
std::vector<Array> slices_of(const Array& flat, const std::vector<Interval>& intervals);

// Makes a flat array whole on every rank from everybody's shard, level by level.
class Gather {
 public:
  // Starts. `own` is this rank's shard of `whole`, or in its place there.
  Gather(const Levels& levels, const ShardCut& cut, const Array& own, const Array& whole);
  // The second level, when the first has arrived. Once between the start and wait, if anywhere.
  void step();
  void wait();

 private:
  Communicator* near_;
  Array near_slice_;
  std::vector<Array> near_slices_;  // empty once they are on their way
  Work work_;
};

}  // namespace tessera
