// The sum of one bucket's gradients over the leaves of a step, on whatever grid of ranks.
#pragma once

#include <memory>

#include "distributed/leaf_sum.h"
#include "distributed/replica_sum.h"

namespace tessera {

// Rounds of leaves are summed into shards among grid.shards() (leaf_sum.h), then what that gives
// among grid.replicas() (replica_sum.h). Ends with the elements that this rank updates: its shard
// among grid.owners(), all of them in ddp. The same bits for any grid, in exact mode.
//
// Each bucket of a step has one, and they go through their states side by side, so that the
// transfers of some go on while others are begun:
//
//   adding     one leaf after the other, by add and settle
//   joining    the replicas of each node exchange their partial sums
//   crossing   the nodes exchange theirs
//   handing    the sum goes from its owners to all
//   done
//
// With one replica it is done after adding.
class GradientSum {
 public:
  // Of flat arrays of f32 or f64, of which `owners` says which rank of grid.owners() updates what.
  // The grid outlives this.
  GradientSum(int64_t num_leaves, const ShardCut& owners, DType dtype, ReductionMode mode,
              const ShardGrid& grid);

  // The leaf that this rank has in this round, which belongs to the sum now; undefined if it has
  // none. It starts on its way. A collective where rounds are shared, and so are the others.
  void add(const Array& gradient);
  // Waits for what the last add started, and adds it. Nothing in later states.
  void settle();
  // After the last add, as often as it returns true: on to the next state, when the transfer of
  // this one has ended. False: done.
  bool step();
  // Goes through all states that are left.
  Array result();

 private:
  enum class State { adding, joining, crossing, handing, done };
  State next();

  SumLayout layout_;
  State state_ = State::adding;
  std::unique_ptr<LeafSum> leaf_sum_;
  std::unique_ptr<ReplicaSum> replicas_;  // from joining on
  Array result_;                          // when done
};

}  // namespace tessera
