// Which rank has what: leaves of a global batch, and elements of a bucket.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/array.h"

namespace tessera {

// Parameters start on multiples of this many elements, norms and digests are taken over pieces of
// it, and shards are cut at it, so that no vector of a kernel crosses a border.
inline constexpr int64_t kChunkElements = 256;

// What of the training state ranks divide among themselves (ZeRO, Rajbhandari et al. 2020):
//          parameters  gradients  optimizer state
//   ddp    whole       whole      whole
//   zero1  whole       whole      1/N
//   zero2  whole       1/N        1/N
enum class Strategy { ddp, zero1, zero2 };
// Throws Error naming the strategies there are.
Strategy strategy_of(std::string_view name);
std::string_view name(Strategy strategy);

// [begin, end)
struct Run {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

// The part of a whole that is a rank's when it is cut into contiguous parts, even to within one.
Run part_of_rank(int64_t whole, int rank, int world_size);

// The leaves that a rank takes: a contiguous run where it sums its own before anything is sent
// (ddp, zero1), every world_size-th where each round of leaves is summed at once (zero2). The i-th
// of them is taken in round i.
std::vector<int64_t> leaves_of_rank(Strategy strategy, int64_t num_leaves, int rank,
                                    int world_size);

// The elements of a flat array that each rank owns: whole chunks, uneven where they must be.
std::vector<Run> shards_of(int64_t elements, int world_size);
// Views of them.
std::vector<Array> cut_into_shards(const Array& flat, int world_size);
Array part(const Array& flat, Run run);

}  // namespace tessera
