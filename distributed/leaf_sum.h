// The sum over the leaves of a global batch, the same bits for any number of ranks.
#pragma once

#include <vector>

#include "core/tree.h"
#include "distributed/comm/communicator.h"
#include "distributed/shard.h"

namespace tessera {

// How sums over leaves are taken. `exact`: in the one binary tree over leaves (core/tree.h).
// `fast`: leaf after leaf on each rank, then the communicator's own all_reduce, whose bits depend
// on the number of ranks.
enum class ReductionMode { exact, fast };

// left += right, for trees of arrays.
struct AddInto {
  Array operator()(const Array& left, const Array& right) const;
};

// Collects one flat array per leaf and sums them over all ranks. Every rank adds the leaves of its
// contiguous run (part_of_rank) in order, then all of them call reduce or reduce_to_shards.
class LeafSum {
 public:
  // num_leaves is at least comm's size. comm outlives this.
  LeafSum(int64_t num_leaves, ReductionMode mode, Communicator& comm);

  // The next leaf's array, (n,) of f32 or f64; it belongs to the sum now and will be overwritten.
  void add(const Array& value);
  // The sum over all leaves of all ranks, on every rank: (n,). A collective.
  Array reduce();
  // This rank's shard of it (shards_of). A collective.
  Array reduce_to_shards();

 private:
  using Fold = TreeFold<Array, AddInto>;

  // The whole array, of which this rank's shard is the sum.
  Array sum_own_shard();
  std::vector<std::vector<Array>> exchange(const std::vector<Run>& shards, size_t rounds);
  void check_complete() const;
  void fold_own_shard(const std::vector<std::vector<Array>>& received,
                      const std::vector<Run>& shards, const Array& out) const;

  int64_t num_leaves_;
  ReductionMode mode_;
  Communicator& comm_;
  int64_t next_leaf_;
  Fold fold_;       // exact: the subtrees of this rank's run
  Array fast_sum_;  // fast: the sum so far
};

}  // namespace tessera
