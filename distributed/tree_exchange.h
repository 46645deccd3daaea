// Subtrees of a sum over leaves that ranks hold, joined where they belong.
#pragma once

#include <vector>

#include "core/tree.h"
#include "distributed/comm/communicator.h"
#include "distributed/shard.h"

namespace tessera {

// left += right, for trees of arrays.
struct AddInto {
  Array operator()(const Array& left, const Array& right) const;
};
using ArrayFold = TreeFold<Array, AddInto>;
using Subtrees = std::vector<ArrayFold::Entry>;

// Every rank has an interval of leaves, next to that of the rank before it, as the flat arrays of
// the subtrees that the interval splits into (subtrees_of_run). Of every subtree each rank gets its
// shard, and adds these up as far as the intervals of all ranks together go. Bits do not depend on
// how the leaves are spread over intervals.
class TreeExchange {
 public:
  // Starts. leaves[p] and shards[p] are rank p's; own are this rank's subtrees, which belong to the
  // exchange now. keep_own: its own shards may stay where they lie in `own`, and are added to
  // there; otherwise they are copied, so that nothing holds the whole arrays.
  TreeExchange(int64_t num_leaves, std::vector<Interval> leaves, Subtrees own,
               std::vector<Interval> shards, DType dtype, bool keep_own, Communicator& comm);
  // This rank's shard of the subtrees that all intervals together split into.
  Subtrees finish();

 private:
  int64_t num_leaves_;
  std::vector<Interval> leaves_;
  std::vector<std::vector<Array>> arriving_;  // of each rank: this rank's shard of its subtrees
  std::vector<Work> works_;
};

}  // namespace tessera
