#include "distributed/shard.h"

#include <algorithm>

namespace tessera {

Interval share_of_rank(int64_t whole, int rank, int world_size) {
  return {whole * rank / world_size, whole * (rank + 1) / world_size};
}

std::vector<int64_t> leaves_of_rank(int64_t num_leaves, int rank, int world_size, int group) {
  Interval interval = share_of_rank(num_leaves, rank / group, world_size / group);
  std::vector<int64_t> leaves;
  for (int64_t leaf = interval.begin + rank % group; leaf < interval.end; leaf += group) {
    leaves.push_back(leaf);
  }
  return leaves;
}

Interval shard_of(int64_t elements, int rank, int world_size) {
  int64_t chunks = (elements + kChunkElements - 1) / kChunkElements;
  Interval interval = share_of_rank(chunks, rank, world_size);
  return {std::min(interval.begin * kChunkElements, elements),
          std::min(interval.end * kChunkElements, elements)};
}

std::vector<Interval> shards_of(int64_t elements, int world_size) {
  std::vector<Interval> shards;
  for (int rank = 0; rank < world_size; ++rank) {
    shards.push_back(shard_of(elements, rank, world_size));
  }
  return shards;
}

std::vector<Array> cut_into_shards(const Array& flat, int world_size) {
  std::vector<Array> shards;
  for (Interval shard : shards_of(flat.numel(), world_size)) {
    shards.push_back(slice_of(flat, shard));
  }
  return shards;
}

Array slice_of(const Array& flat, Interval interval) {
  return flat.slice(0, interval.begin, interval.end);
}

}  // namespace tessera
