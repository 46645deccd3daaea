// The partial sums of replicas becoming one.
#pragma once

#include <memory>

#include "distributed/leaf_sum.h"

namespace tessera {

// Joins what the ranks of grid.replicas() have, in three transfers of which each begins when the
// one before has ended: on a node, between nodes, and from the owners of the sum to all (but under
// zero1, where the owners keep it).
class ReplicaSum {
 public:
  virtual ~ReplicaSum() = default;
  virtual void join_nodes() = 0;  // the first, begun by the constructor, has ended
  virtual void hand_out() = 0;    // the second has ended
  virtual Array result() = 0;     // the third has ended
};

// partial is this rank's. A collective of grid.replicas(), and so are the others.
std::unique_ptr<ReplicaSum> make_replica_sum(const SumLayout& layout, PartialSum partial);

}  // namespace tessera
