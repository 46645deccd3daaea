// The sum over the leaves of a global batch, the same bits for any number of ranks.
#pragma once

#include <vector>

#include "core/tree.h"
#include "distributed/comm/communicator.h"

namespace tessera {

// How sums over leaves are taken. `exact`: in the one binary tree over leaves (core/tree.h).
// `fast`: leaf after leaf on each rank, then the communicator's own all_reduce, whose bits depend
// on the number of ranks.
enum class ReductionMode { exact, fast };

// [begin, end)
struct Run {
  int64_t begin = 0;
  int64_t end = 0;
};

// The leaves that a rank takes: contiguous, and even to within one.
Run leaves_of_rank(int64_t num_leaves, int rank, int world_size);

// Collects one flat array per leaf and sums them over all ranks. Every rank adds its own leaves in
// order, then all of them call reduce.
class LeafSum {
 public:
  // num_leaves is at least comm's size. comm outlives this.
  LeafSum(int64_t num_leaves, ReductionMode mode, Communicator& comm);

  // The next leaf's array, (n,) of f32 or f64; it belongs to the sum now and will be overwritten.
  void add(const Array& value);
  // The sum over all leaves of all ranks, on every rank: (n,). A collective.
  Array reduce();

 private:
  struct AddInto {
    Array operator()(const Array& left, const Array& right) const;
  };
  using Fold = TreeFold<Array, AddInto>;

  Array reduce_exact();
  std::vector<std::vector<Array>> exchange(const std::vector<Run>& shards, size_t rounds);
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
