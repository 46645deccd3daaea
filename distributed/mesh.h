// The ranks of a job as a grid, and what along it is divided.
#pragma once

#include <memory>
#include <vector>

#include "distributed/comm/communicator.h"
#include "distributed/shard.h"

namespace tessera {

// Ranks along each axis; neighbours in `tensor` have consecutive numbers, then those in `data`.
struct MeshShape {
  int pipeline = 1;
  int tensor = 1;
  // Of the data axis, in hybrid: so many consecutive ranks share one copy of the model; they divide
  // the axis. Other strategies have no use for it.
  int group = 1;
};

// Where a rank stands. All ranks with the same place on the other axes form the data axis, which
// takes what `pipeline` and `tensor` leave of the ranks. It is a grid in turn: `shards`, whose
// ranks take the leaves of a round one each and sum their gradients into shards, by `replicas`,
// whose ranks hold the same and join their sums at the end.
class Mesh {
 public:
  // An Error where the ranks do not make such a grid. A collective. world outlives this.
  Mesh(Communicator& world, Strategy strategy, MeshShape shape = {});

  Strategy strategy() const { return strategy_; }
  Communicator& world() const { return world_; }
  Communicator& data() const { return data_ ? *data_ : world_; }
  Communicator& tensor() const { return *tensor_; }
  Communicator& pipeline() const { return *pipeline_; }

  Communicator& shards() const { return shards_ ? *shards_ : data(); }
  Communicator& replicas() const { return replicas_ ? *replicas_ : data(); }
  // Who divides the optimizer's state.
  Communicator& owners() const { return strategy_ == Strategy::zero1 ? data() : shards(); }
  // Whether the parameters of blocks are there only while they are used.
  bool gathers_blocks() const { return shards().size() > 1 && shards_blocks(strategy_); }

 private:
  Strategy strategy_;
  Communicator& world_;
  // Null: as the comment in the getter has it.
  std::unique_ptr<Communicator> data_, tensor_, pipeline_, shards_, replicas_;
};

}  // namespace tessera
