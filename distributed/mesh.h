// The ranks of a job as a grid, and what along it is divided.
#pragma once

#include <memory>
#include <vector>

#include "distributed/levels.h"

namespace tessera {

// Ranks along each axis; neighbours in `tensor` have consecutive numbers, then those in `data`.
struct MeshShape {
  int pipeline = 1;
  int tensor = 1;
  // Of the data axis, in hybrid: so many consecutive ranks share one copy of the model; they divide
  // the axis. Other strategies have no use for it.
  int group = 1;
  // Consecutive ranks of the data axis that share a machine, the same number on each; they divide
  // the axis. 0: one machine, or nothing is known. No bits depend on it.
  int machine = 0;
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

  const Levels& shards() const { return *shards_; }
  const Levels& replicas() const { return *replicas_; }
  // Who divides the optimizer's state.
  const Levels& owners() const { return strategy_ == Strategy::zero1 ? replicas() : shards(); }
  // Whether the parameters of blocks are there only while they are used.
  bool gathers_blocks() const { return shards().size() > 1 && shards_blocks(strategy_); }

 private:
  Strategy strategy_;
  Communicator& world_;
  std::unique_ptr<Communicator> data_;  // null: world
  std::unique_ptr<Communicator> tensor_, pipeline_;
  std::unique_ptr<Levels> shards_, replicas_;
};

}  // namespace tessera
