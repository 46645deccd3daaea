// The sum over the leaves of a global batch, a round of leaves at a time, in shards.
#pragma once

#include "distributed/leaf_sum.h"

namespace tessera {

// As LeafSum, with the same bits, for leaves that are dealt one to a rank each round: a round's
// arrays are cut into shards and summed by their owners at once, so that no rank keeps whole sums,
// and each waits for its like as a shard.
class RoundSum {
 public:
  // Of flat arrays of `elements` elements of f32 or f64, one for each leaf of a run of num_leaves.
  // comm outlives this.
  RoundSum(int64_t num_leaves, Run run, int64_t elements, DType dtype, ReductionMode mode,
           Communicator& comm);

  // The round's leaf of this rank, which is the first of the run in round 0 and rank 0 and so on,
  // (elements,); undefined where the run has none left. It starts on its way: the next add waits
  // for that, or settle. A collective.
  void add(const Array& value);
  void settle();

  // After the last round and settle(), of this rank's shard. exact: the subtrees that the run
  // splits into; else the sum.
  using Fold = TreeFold<Array, AddInto>;
  const std::vector<Fold::Entry>& subtrees() const { return fold_.entries(); }
  const Array& fast_sum() const { return fast_sum_; }
  // The sum where the run is all leaves.
  Array shard();

 private:
  void start_exact(const Array& value, int64_t count);
  void start_fast(const Array& value);

  Run run_;
  DType dtype_;
  ReductionMode mode_;
  Communicator& comm_;
  std::vector<Run> shards_;
  int64_t next_leaf_;  // of the run, rank 0's in the next round
  Fold fold_;          // exact: of this rank's shard
  Array fast_sum_;     // the other modes: of this rank's shard

  // The round under way.
  Work work_;
  std::vector<Array> arriving_;  // exact: shards by leaf; else the packed sum, if there is one
  int64_t arriving_leaf_ = 0;
};

}  // namespace tessera
