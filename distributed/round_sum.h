// The sum over the leaves of a global batch, a round of leaves at a time, in shards.
#pragma once

#include "distributed/leaf_sum.h"

namespace tessera {

// As LeafSum, with the same bits, for leaves that are dealt one to a rank each round: a round's
// arrays are cut into shards and summed by their owners at once, so that no rank keeps whole sums,
// and each waits for its like as a shard.
class RoundSum {
 public:
  // Of flat arrays of `elements` elements of f32 or f64. comm outlives this.
  RoundSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
           Communicator& comm);

  // Leaf round * size + rank, (elements,); undefined where there is no such leaf. A collective.
  void add(const Array& value);
  // This rank's shard of the sum over all leaves. After the last round.
  Array shard();

 private:
  void add_exact(const Array& value, int64_t first_leaf);
  void add_fast(const Array& value);

  int64_t num_leaves_;
  DType dtype_;
  ReductionMode mode_;
  Communicator& comm_;
  std::vector<Run> shards_;
  int64_t next_round_ = 0;
  TreeFold<Array, AddInto> fold_;  // exact: of this rank's shard
  Array fast_sum_;                 // fast: of this rank's shard
};

}  // namespace tessera
