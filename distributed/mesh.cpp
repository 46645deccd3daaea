#include "distributed/mesh.h"

#include "distributed/comm/direct/thread_communicator.h"

namespace tessera {
namespace {

// The ranks first, first + stride, ... of comm; null stands for comm itself.
std::unique_ptr<Communicator> line_of(Communicator& comm, int first, int stride, int count) {
  std::vector<int> members;
  for (int i = 0; i < count; ++i) members.push_back(first + i * stride);
  return comm.subgroup(members);
}

}  // namespace

Mesh::Mesh(Communicator& world, Strategy strategy, MeshShape shape)
    : strategy_(strategy), world_(world) {
  TESSERA_CHECK(shape.pipeline >= 1 && shape.tensor >= 1 && shape.group >= 1,
                "[Mesh] expected at least one rank along every axis, got pipeline {}, tensor {}, "
                "group {}",
                shape.pipeline, shape.tensor, shape.group);
  int others = shape.pipeline * shape.tensor;
  TESSERA_CHECK(world.size() % others == 0,
                "[Mesh] {} ranks do not divide into {} pipeline stages of {} tensor ranks",
                world.size(), shape.pipeline, shape.tensor);
  int data_size = world.size() / others;
  int stage = world.rank() / (data_size * shape.tensor);
  int slice = world.rank() % shape.tensor;
  if (others > 1) {
    data_ = line_of(world, stage * data_size * shape.tensor + slice, shape.tensor, data_size);
  }
  tensor_ =
      others > 1 ? line_of(world, world.rank() - slice, 1, shape.tensor) : make_self_communicator();
  pipeline_ = others > 1 ? line_of(world, world.rank() % (data_size * shape.tensor),
                                   data_size * shape.tensor, shape.pipeline)
                         : make_self_communicator();

  int machine = shape.machine == 0 ? data_size : shape.machine;
  TESSERA_CHECK(machine >= 1 && data_size % machine == 0,
                "[Mesh] {} ranks of data parallelism do not divide into machines of {}", data_size,
                machine);
  if (strategy == Strategy::ddp || strategy == Strategy::zero1) {
    shards_ = std::make_unique<Levels>(make_self_communicator(), 1);
    replicas_ = std::make_unique<Levels>(data(), machine);
  } else if (strategy != Strategy::hybrid) {
    shards_ = std::make_unique<Levels>(data(), machine);
    replicas_ = std::make_unique<Levels>(make_self_communicator(), 1);
  } else {
    int group = shape.group;
    TESSERA_CHECK(data_size % group == 0,
                  "hybrid: groups of {} ranks do not divide {} ranks of data parallelism", group,
                  data_size);
    int rank = data().rank();
    shards_ = std::make_unique<Levels>(line_of(data(), rank - rank % group, 1, group),
                                       group % machine == 0 ? machine : group);
    replicas_ = std::make_unique<Levels>(line_of(data(), rank % group, group, data_size / group),
                                         machine % group == 0 ? machine / group : 1);
  }
}

}  // namespace tessera
