// A row of numbers for each leaf of a global batch, known to every rank.
#pragma once

#include <vector>

#include "distributed/comm/communicator.h"
#include "distributed/shard.h"

namespace tessera {

// Rows of `columns` numbers: small things, which every rank gets whole and adds up itself. Their
// sums have the same bits for any number of ranks and any strategy.
class LeafTable {
 public:
  // own_rows[i] is the row of this rank's i-th leaf, of those that leaves_of_rank gives it in
  // groups of `group` ranks. A collective.
  LeafTable(const std::vector<std::vector<double>>& own_rows, int64_t columns, int64_t num_leaves,
            int group, Communicator& comm);

  double at(int64_t leaf, int64_t column) const {
    return columns_[static_cast<size_t>(column)][static_cast<size_t>(leaf)];
  }
  // Over all leaves, in the tree of core/tree.h.
  double sum(int64_t column) const;
  double max(int64_t column) const;

 private:
  std::vector<std::vector<double>> columns_;
};

}  // namespace tessera
