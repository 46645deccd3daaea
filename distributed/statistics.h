// Running statistics of a model over a global batch.
#pragma once

#include <vector>

#include "autograd/running_statistics.h"
#include "distributed/leaf_table.h"
#include "nn/module.h"

namespace tessera {

// A module's buffers, which move once a step: running statistics towards the mean of what all
// leaves observed, each weighted by its count of values, counters of batches by one. The same bits
// for any number of ranks.
class Statistics {
 public:
  // The module outlives this.
  explicit Statistics(const nn::Module& module);

  // Columns that move() needs of every leaf: of each buffer, count and momentum.
  int64_t num_columns() const { return 2 * static_cast<int64_t>(buffers_.size()); }
  // A leaf's, from what was observed in it; an Error where that is no buffer of the module.
  std::vector<double> columns_of(const std::vector<Observation>& observations) const;
  // Moves all buffers that some leaf observed. `table` has num_columns() columns from `first` on,
  // and observed[i] is of this rank's i-th leaf. A collective where there is something to move.
  // when: undefined, or, of one rank on a device that the host cannot read, as UpdateStep::when.
  void move(const std::vector<std::vector<Observation>>& observed, const LeafTable& table,
            int64_t first, int64_t num_leaves, int group, Communicator& comm,
            const Array& when = {}) const;

 private:
  size_t index_of(const Observation& observation) const;
  // The same of one buffer, where it is and by one rank: the host reads nothing.
  void move_in_place(size_t buffer, const std::vector<std::vector<Observation>>& observed,
                     double count, double momentum, const Array& running) const;

  std::vector<Tensor> buffers_;
};

}  // namespace tessera
