#include "distributed/gradient_norm.h"

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "core/kernels/reduce.h"
#include "core/tree.h"

namespace tessera {
namespace {

int64_t chunks_of(Interval interval) {
  return (interval.size() + kChunkElements - 1) / kChunkElements;
}

// From what ranks have of every bucket to the order of the parameters.
std::vector<double> chunks_in_order(const std::vector<Bucket>& buckets,
                                    const std::vector<Array>& of_ranks) {
  std::vector<double> chunks;
  std::vector<const double*> next;  // of each rank
  for (const Array& sums : of_ranks) next.push_back(sums.data<double>());
  for (const Bucket& bucket : buckets) {
    if (!bucket.trained) continue;
    std::vector<double> of_bucket(static_cast<size_t>(bucket.numel / kChunkElements));
    for (size_t rank = 0; rank < of_ranks.size(); ++rank) {
      Interval shard = bucket.cut.of(static_cast<int>(rank));
      int64_t count = shard.size() / kChunkElements;
      std::copy_n(next[rank], count, of_bucket.begin() + shard.begin / kChunkElements);
      next[rank] += count;
    }
    for (const Segment& segment : bucket.segments) {
      auto first = of_bucket.begin() + segment.begin / kChunkElements;
      int64_t count = chunks_of({segment.begin, segment.end});
      auto end = static_cast<size_t>(segment.first_chunk + count);
      if (chunks.size() < end) chunks.resize(end);
      std::copy_n(first, count, chunks.begin() + segment.first_chunk);
    }
  }
  return chunks;
}

}  // namespace

double gradient_norm(const std::vector<Bucket>& buckets, const std::vector<Array>& gradients,
                     const ShardGrid& grid) {
  const Levels& owners = grid.owners();
  auto own = static_cast<size_t>(owners.rank());
  Device device = buckets[0].own_params.device();
  std::vector<Array> of_ranks;  // of each its chunks of every trained bucket
  for (int rank = 0; rank < owners.size(); ++rank) {
    int64_t count = 0;
    for (const Bucket& bucket : buckets) {
      if (bucket.trained) count += bucket.cut.of(rank).size();
    }
    of_ranks.push_back(Array::empty({count / kChunkElements}, DType::f64, device));
  }
  int64_t filled = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (!buckets[i].trained) continue;
    int64_t count = buckets[i].own.size() / kChunkElements;
    kernels(device).reduce().chunk_square_sums(gradients[i],
                                               slice_of(of_ranks[own], {filled, filled + count}));
    filled += count;
  }
  if (owners.size() > 1) owners.all().all_gather(of_ranks[own], of_ranks).join();
  if (device.type == DeviceType::meta) return 0;
  return std::sqrt(tree_sum(chunks_in_order(buckets, of_ranks)));
}

}  // namespace tessera
