#include "distributed/gradient_norm.h"

#include <algorithm>

#include "core/kernels.h"
#include "core/kernels/reduce.h"
#include "core/kernels/unary.h"

namespace tessera {
namespace {

int64_t chunks_of(Interval interval) {
  return (interval.size() + kChunkElements - 1) / kChunkElements;
}

// From what ranks have of every bucket to the order of the parameters.
Array chunks_in_order(const std::vector<Bucket>& buckets, const std::vector<Array>& of_ranks) {
  int64_t count = 0;
  for (const Bucket& bucket : buckets) {
    if (!bucket.trained) continue;
    for (const Segment& segment : bucket.segments) {
      count = std::max(count, segment.first_chunk + chunks_of({segment.begin, segment.end}));
    }
  }
  // Frozen parameters between trained ones have chunks of 0.
  Array chunks = Array::zeros({count}, DType::f64, of_ranks[0].device());
  std::vector<int64_t> next(of_ranks.size());  // of each rank
  for (const Bucket& bucket : buckets) {
    if (!bucket.trained) continue;
    Array of_bucket =
        Array::empty({bucket.numel / kChunkElements}, DType::f64, of_ranks[0].device());
    for (size_t rank = 0; rank < of_ranks.size(); ++rank) {
      Interval shard = bucket.cut.of(static_cast<int>(rank));
      Interval from{next[rank], next[rank] + shard.size() / kChunkElements};
      int64_t to = shard.begin / kChunkElements;
      slice_of(of_bucket, {to, to + from.size()}).copy_(slice_of(of_ranks[rank], from));
      next[rank] = from.end;
    }
    for (const Segment& segment : bucket.segments) {
      int64_t size = chunks_of({segment.begin, segment.end});
      int64_t from = segment.begin / kChunkElements;
      slice_of(chunks, {segment.first_chunk, segment.first_chunk + size})
          .copy_(slice_of(of_bucket, {from, from + size}));
    }
  }
  return chunks;
}

}  // namespace

Array tree_sum_of_chunks(const std::vector<Bucket>& buckets, const Array& own,
                         const ShardGrid& grid) {
  const Levels& owners = grid.owners();
  std::vector<Array> of_ranks;  // of each its chunks of every trained bucket
  for (int rank = 0; rank < owners.size(); ++rank) {
    int64_t count = 0;
    for (const Bucket& bucket : buckets) {
      if (bucket.trained) count += bucket.cut.of(rank).size();
    }
    bool is_own = rank == owners.rank();
    of_ranks.push_back(is_own ? own
                              : Array::empty({count / kChunkElements}, DType::f64, own.device()));
  }
  if (owners.size() > 1) owners.all().all_gather(own, of_ranks).join();
  Array sum = Array::empty({}, DType::f64, own.device());
  kernels(own.device()).reduce().tree_sum(chunks_in_order(buckets, of_ranks), sum);
  return sum;
}

Array gradient_norm(const std::vector<Bucket>& buckets, const std::vector<Array>& gradients,
                    const ShardGrid& grid) {
  Device device = buckets[0].own_params.device();
  int64_t total = 0;
  for (const Bucket& bucket : buckets) {
    if (bucket.trained) total += bucket.own.size();
  }
  Array own = Array::empty({total / kChunkElements}, DType::f64, device);
  int64_t filled = 0;
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (!buckets[i].trained) continue;
    int64_t count = buckets[i].own.size() / kChunkElements;
    kernels(device).reduce().chunk_square_sums(gradients[i],
                                               slice_of(own, {filled, filled + count}));
    filled += count;
  }
  Array norm = tree_sum_of_chunks(buckets, own, grid);
  kernels(device).unary().run(UnaryOp::sqrt, norm, norm);
  return norm;
}

}  // namespace tessera
