// The gradients of a rank's leaves, one after the other, added to a sum.
#pragma once

#include <memory>

#include "distributed/reduction_mode.h"
#include "distributed/shard_cut.h"
#include "distributed/shard_grid.h"
#include "distributed/tree_exchange.h"

namespace tessera {

// What a sum over leaves is of, and who has what of it.
struct SumLayout {
  int64_t num_leaves;  // of the step
  DType dtype;         // f32 or f64
  ReductionMode mode;
  const ShardGrid& grid;  // outlives the sum
  ShardCut shards;        // of the whole array among grid.shards()
  ShardCut replicas;      // of a shard among grid.replicas()

  // The leaves that this rank's replica takes.
  Interval own_leaves() const;
};

// Of the sum over this replica's leaves, this rank's shard among grid.shards().
struct PartialSum {
  Subtrees subtrees;  // exact: of the tree over all leaves
  Array sum;          // the other modes; undefined where no leaf was added
};

// The leaves of one replica, in rounds in which each rank of grid.shards() has one at most.
class LeafSum {
 public:
  virtual ~LeafSum() = default;
  // The leaf that this rank has in this round, which belongs to the sum now; undefined if it has
  // none. It starts on its way. A collective of grid.shards(), and so are the others.
  virtual void add(const Array& gradient) = 0;
  // Waits for what the last add started, and adds it.
  virtual void settle() = 0;
  // Once, after the last settle.
  virtual PartialSum take() = 0;
};

// Where every rank keeps whole sums: leaves are added here, and nothing travels.
std::unique_ptr<LeafSum> make_sum_first(const SumLayout& layout);
// Where ranks keep shards: each round is summed into them.
std::unique_ptr<LeafSum> make_sum_each_round(const SumLayout& layout);

}  // namespace tessera
