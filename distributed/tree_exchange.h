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

// Every rank has a run of leaves, next to that of the rank before it, as the flat arrays of the
// subtrees that the run splits into (subtrees_of_run). Of every subtree each rank gets its shard,
// and adds these up as far as the runs of all ranks together go. Bits do not depend on how the
// leaves are spread over runs.
class TreeExchange {
 public:
  // Starts. runs[p] and shards[p] are rank p's; own are this rank's subtrees, which belong to the
  // exchange now. keep_own: its own shards may stay where they lie in `own`, and are added to
  // there; otherwise they are copied, so that nothing holds the whole arrays.
  TreeExchange(int64_t num_leaves, std::vector<Run> runs, Subtrees own, std::vector<Run> shards,
               DType dtype, bool keep_own, Communicator& comm);
  // This rank's shard of the subtrees that all runs together split into.
  Subtrees finish();

 private:
  int64_t num_leaves_;
  std::vector<Run> runs_;
  std::vector<std::vector<Array>> arriving_;  // of each rank: this rank's shard of its subtrees
  std::vector<Work> works_;
};

}  // namespace tessera
