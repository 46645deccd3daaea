// The sum over the leaves of a global batch, the same bits for any number of ranks.
#pragma once

#include <vector>

#include "core/tree.h"
#include "distributed/comm/communicator.h"
#include "distributed/shard.h"

namespace tessera {

// How sums over leaves are taken. `exact`: in the one binary tree over leaves (core/tree.h).
// `fast`: leaf after leaf on each rank, then the communicator's own all_reduce, whose bits depend
// on the number of ranks. `fast_bf16`: the same, with numbers that travel rounded to bf16.
enum class ReductionMode { exact, fast, fast_bf16 };

// The array as the mode has it travel: itself, or a rounded copy.
Array packed(const Array& array, ReductionMode mode, Communicator& comm);
// `array` = what arrived for it in its packed copy.
void unpack(const Array& arrived, const Array& array);

// left += right, for trees of arrays.
struct AddInto {
  Array operator()(const Array& left, const Array& right) const;
};

// Collects one flat array per leaf and sums them over all ranks. Every rank adds the leaves of its
// contiguous run (part_of_rank) in order, or what it has of them already, then all ranks sum.
class LeafSum {
 public:
  // Of arrays of `elements` elements; a rank may have no leaf. comm outlives this.
  LeafSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
          Communicator& comm);

  // The next leaf's array, (elements,) of f32 or f64; it belongs to the sum now and will be
  // overwritten.
  void add(const Array& value);
  // The next subtree's, in exact mode.
  void add_subtree(TreeNode node, const Array& value);
  // All leaves' at once, in the other modes.
  void add_all(const Array& value);

  enum class Keep { whole, own_shard };
  // Begins the sum over the leaves of all ranks: the pieces start on their way. Every rank then
  // calls step once, and then finish, with other collectives in between, if in the same places.
  void start(Keep keep);
  // Adds the pieces that have arrived, and starts the sum on its way back to all ranks.
  void step();
  // (elements,), or this rank's shard of it (shards_of).
  Array finish();

  // All three.
  Array reduce() { return sum(Keep::whole); }
  Array reduce_to_shards() { return sum(Keep::own_shard); }

 private:
  using Fold = TreeFold<Array, AddInto>;

  Array sum(Keep keep);
  void exchange();
  void fold_own_shard();
  void check_complete() const;
  Run own_run() const { return part_of_rank(num_leaves_, comm_.rank(), comm_.size()); }
  size_t own() const { return static_cast<size_t>(comm_.rank()); }

  int64_t num_leaves_;
  int64_t elements_;
  DType dtype_;
  ReductionMode mode_;
  Communicator& comm_;
  int64_t next_leaf_;
  Fold fold_;       // exact: the subtrees of this rank's run
  Array fast_sum_;  // the other modes: the sum so far
  Keep keep_ = Keep::whole;
  Array out_;                                 // exact: will be the sum
  std::vector<std::vector<Array>> received_;  // exact: this rank's shard of each rank's subtrees
  std::vector<Array> packed_;                 // the other modes: shards of fast_sum_ as they travel
  std::vector<Work> works_;
};

}  // namespace tessera
