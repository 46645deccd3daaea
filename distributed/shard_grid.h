// The data axis as a strategy divides it.
#pragma once

#include <memory>

#include "distributed/levels.h"
#include "distributed/mesh.h"
#include "distributed/shard.h"

namespace tessera {

// The ranks of mesh.data() as a grid: `shards`, whose ranks take the leaves of a round one each and
// sum their gradients into shards, by `replicas`, whose ranks hold the same and join their sums at
// the end. Of ddp and zero1 all are replicas, of zero2 and zero3 all share a round, and in hybrid
// those of a shard group (MeshShape::group) do. Several grids may stand on one mesh.
class ShardGrid {
 public:
  // A collective where it needs communicators of its own: in hybrid, and on several nodes. The
  // mesh outlives this.
  ShardGrid(const Mesh& mesh, Strategy strategy);

  Strategy strategy() const { return strategy_; }
  Communicator& data() const { return mesh_.data(); }
  const Levels& shards() const { return *shards_; }
  const Levels& replicas() const { return *replicas_; }
  // Who divides the optimizer's state.
  const Levels& owners() const { return strategy_ == Strategy::zero1 ? replicas() : shards(); }
  // Whether the parameters of blocks are there only while they are used.
  bool gathers_blocks() const { return shards().size() > 1 && shards_blocks(strategy_); }

 private:
  const Mesh& mesh_;
  Strategy strategy_;
  std::unique_ptr<Levels> shards_, replicas_;
};

}  // namespace tessera
