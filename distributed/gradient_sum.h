// The sum of one bucket's gradients over the leaves of a step, on whatever grid of ranks.
#pragma once

#include "distributed/mesh.h"
#include "distributed/round_sum.h"

namespace tessera {

// Rounds of leaves are summed among mesh.shards(), then what that gives among mesh.replicas(). Ends
// with the elements that this rank updates: all of them, or its shard among mesh.owners(). The same
// bits for any mesh, in exact mode.
class GradientSum {
 public:
  // The mesh outlives this.
  GradientSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
              const Mesh& mesh);

  // The leaf that this rank has in this round, (elements,), which belongs to the sum now; undefined
  // if it has none. A collective where rounds are shared, and so are the others.
  void add(const Array& gradient);
  // Waits for what the last add started.
  void settle() { rounds_.settle(); }
  // After the last add, as often as it returns true: the next of the stages that the sum goes
  // through. Waits for what the last one started.
  bool step();
  // After all stages.
  Array result();

 private:
  enum class Stage { rounds, pieces, gathering, done };

  RoundSum rounds_;
  ReductionMode mode_;
  bool has_replicas_;
  LeafSum::Keep keep_;
  LeafSum replicas_;
  Stage stage_ = Stage::rounds;
};

}  // namespace tessera
