// The ranks of a job as a grid.
#pragma once

#include <memory>
#include <string>

#include "distributed/comm/communicator.h"

namespace tessera {

// Ranks along each axis. From the innermost, whose neighbours have consecutive numbers: tensor,
// context, expert, data and, outermost, pipeline. The data axis takes what the others leave.
struct MeshShape {
  int pipeline = 1;
  int tensor = 1;
  int context = 1;
  int expert = 1;
  // Of the data axis: so many consecutive ranks are a shard group, which shares one copy of the
  // model under hybrid; they divide the axis. Other strategies have no use for it.
  int group = 1;
  // Consecutive ranks of the data axis that share a node, the same number on each; they divide
  // the axis. 0: one node, or nothing is known. No bits depend on it.
  int ranks_per_node = 0;
};

// "pipeline 1, tensor 2, ...".
std::string to_string(const MeshShape& shape);

// Where a rank stands, and with whom it talks about what. Made once by a program and shared by
// whatever trains on it: what of the training state the ranks of the data axis divide, and how, is
// a strategy's business (shard_grid.h). Used by one thread.
class Mesh {
 public:
  // An Error where the ranks do not make such a grid. A collective where an axis besides data has
  // several ranks. Calls on the mesh's communicators say from here on where in the model they are
  // made (Communicator::set_where).
  //
  // `control` has the same ranks as world, in the same order, and takes arrays of the host. Unless
  // given it is world itself, which has to be on the CPU then. Both outlive the mesh.
  explicit Mesh(Communicator& world, MeshShape shape = {}, Communicator* control = nullptr);
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  const MeshShape& shape() const { return shape_; }
  Communicator& world() const { return world_; }
  // The ranks with the same place on all axes but this one; this rank alone where it has size 1.
  Communicator& data() const { return data_ ? *data_ : world_; }
  Communicator& tensor() const { return *tensor_; }
  Communicator& context() const { return *context_; }
  Communicator& expert() const { return *expert_; }
  Communicator& pipeline() const { return *pipeline_; }

  // What ranks say to each other about their work, on the host: what they agree on, rows of
  // numbers, texts, checkpoints and snapshots. All ranks of world; those of data.
  Communicator& control() const { return control_; }
  Communicator& data_control() const { return data_control_ ? *data_control_ : control_; }

  // Fails world, control, and the communicators of the axes with them, on every rank.
  void abort(const std::string& message) const;

 private:
  struct Axis {
    int stride = 1;
    int size = 1;
  };
  std::unique_ptr<Communicator> along(Communicator& comm, Axis axis) const;
  std::unique_ptr<Communicator> along_or_alone(Axis axis) const;

  MeshShape shape_;
  Communicator& world_;
  Communicator& control_;
  std::unique_ptr<Communicator> data_;  // null: world
  std::unique_ptr<Communicator> tensor_, context_, expert_, pipeline_;
  std::unique_ptr<Communicator> own_data_control_;
  Communicator* data_control_ = nullptr;  // null: control
};

}  // namespace tessera
