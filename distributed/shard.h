// Which rank has what: leaves of a global batch, and elements of a bucket.
#pragma once

#include <cstdint>
#include <vector>

#include "core/array.h"
#include "core/words.h"

namespace tessera {

// Parameters start on multiples of this many elements, norms and digests are taken over pieces of
// it, and shards are cut at it, so that no vector of a kernel crosses a border.
inline constexpr int64_t kChunkElements = 256;

// What of the training state ranks divide among themselves (ZeRO, Rajbhandari et al. 2020):
//          parameters  gradients  optimizer state
//   ddp    whole       whole      whole
//   zero1  whole       whole      1/N
//   zero2  whole       1/N        1/N
//   zero3  1/N         1/N        1/N     parameters are gathered a block at a time
//   hybrid 1/M         1/M        1/M     zero3 in groups of M ranks, each group with a copy
enum class Strategy { ddp, zero1, zero2, zero3, hybrid };
constexpr auto words_of(Strategy) {
  return std::array{Word{Strategy::ddp, "ddp"}, Word{Strategy::zero1, "zero1"},
                    Word{Strategy::zero2, "zero2"}, Word{Strategy::zero3, "zero3"},
                    Word{Strategy::hybrid, "hybrid"}};
}
// Whether parameters are sharded, which needs a model with blocks (nn/block.h).
inline bool shards_blocks(Strategy strategy) {
  return strategy == Strategy::zero3 || strategy == Strategy::hybrid;
}

// [begin, end), of leaves or elements.
struct Interval {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

// The share of a whole that is a rank's when it is cut into contiguous ones, even to within one.
Interval share_of_rank(int64_t whole, int rank, int world_size);

// The leaves that a rank takes when each round of them is dealt to groups of `group` consecutive
// ranks: a group has an interval, and its ranks take every group-th of that in turn. The i-th of
// them is taken in the group's round i. group divides world_size; 1 gives each rank an interval.
std::vector<int64_t> leaves_of_rank(int64_t num_leaves, int rank, int world_size, int group);

// The elements of a flat array that a rank owns, and each: whole chunks, uneven where they must be.
Interval shard_of(int64_t elements, int rank, int world_size);
std::vector<Interval> shards_of(int64_t elements, int world_size);
// Views of them.
std::vector<Array> cut_into_shards(const Array& flat, int world_size);
// A view of the interval.
Array slice_of(const Array& flat, Interval interval);

}  // namespace tessera
