#include "distributed/shard_grid.h"

#include <vector>

namespace tessera {
namespace {

// The ranks first, first + stride, ... of comm.
std::unique_ptr<Communicator> every(Communicator& comm, int first, int stride, int count) {
  std::vector<int> members;
  for (int i = 0; i < count; ++i) members.push_back(first + i * stride);
  return comm.subgroup(members);
}

}  // namespace

ShardGrid::ShardGrid(const Mesh& mesh, Strategy strategy) : mesh_(mesh), strategy_(strategy) {
  Communicator& data = mesh.data();
  int size = data.size();
  int per_node = mesh.shape().ranks_per_node == 0 ? size : mesh.shape().ranks_per_node;
  if (strategy == Strategy::ddp || strategy == Strategy::zero1) {
    shards_ = std::make_unique<Levels>(rank_alone(data), 1);
    replicas_ = std::make_unique<Levels>(data, per_node);
  } else if (strategy != Strategy::hybrid) {
    shards_ = std::make_unique<Levels>(data, per_node);
    replicas_ = std::make_unique<Levels>(rank_alone(data), 1);
  } else {
    int group = mesh.shape().group;
    int rank = data.rank();
    shards_ = std::make_unique<Levels>(every(data, rank - rank % group, 1, group),
                                       group % per_node == 0 ? per_node : group);
    replicas_ = std::make_unique<Levels>(every(data, rank % group, group, size / group),
                                         per_node % group == 0 ? per_node / group : 1);
  }
}

}  // namespace tessera
