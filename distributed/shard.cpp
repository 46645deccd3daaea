#include "distributed/shard.h"

#include <algorithm>

namespace tessera {

Run part_of_rank(int64_t whole, int rank, int world_size) {
  return {whole * rank / world_size, whole * (rank + 1) / world_size};
}

std::vector<int64_t> leaves_of_rank(int64_t num_leaves, int rank, int world_size, int group) {
  Run run = part_of_rank(num_leaves, rank / group, world_size / group);
  std::vector<int64_t> leaves;
  for (int64_t leaf = run.begin + rank % group; leaf < run.end; leaf += group) {
    leaves.push_back(leaf);
  }
  return leaves;
}

Run shard_of(int64_t elements, int rank, int world_size) {
  int64_t chunks = (elements + kChunkElements - 1) / kChunkElements;
  Run run = part_of_rank(chunks, rank, world_size);
  return {std::min(run.begin * kChunkElements, elements),
          std::min(run.end * kChunkElements, elements)};
}

std::vector<Run> shards_of(int64_t elements, int world_size) {
  std::vector<Run> shards;
  for (int rank = 0; rank < world_size; ++rank) {
    shards.push_back(shard_of(elements, rank, world_size));
  }
  return shards;
}

std::vector<Array> cut_into_shards(const Array& flat, int world_size) {
  std::vector<Array> shards;
  for (Run shard : shards_of(flat.numel(), world_size)) shards.push_back(part(flat, shard));
  return shards;
}

Array part(const Array& flat, Run run) { return flat.slice(0, run.begin, run.end); }

}  // namespace tessera
