// How the CPU's attention cuts its scores into tiles, and what that takes: by sizes alone. Widths
// are those of rows in whole vectors.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tessera::cpu {

// A tile of scores is 16 KiB of f32 and a tile of 64 numbers a key or query as much: those that one
// product touches stay in the first cache or close to it. A power of two keeps vectors whole.
inline constexpr int64_t kQueries = 64;
inline constexpr int64_t kKeys = 64;

// Pieces of scratch memory begin on cache lines.
inline int64_t scratch_piece(int64_t size) { return (size + 15) / 16 * 16; }

// Numbers that a task of the forward pass takes, and one of the backward pass for so many keys.
inline int64_t attention_scratch(int64_t width, int64_t v_width) {
  return scratch_piece(kQueries * width) * 2 + scratch_piece(kKeys * width) +
         scratch_piece(kKeys * v_width) + scratch_piece(kKeys * kQueries) * 2 +
         scratch_piece(kQueries * v_width);
}
inline int64_t attention_grad_scratch(int64_t width, int64_t v_width, int64_t keys) {
  return scratch_piece(kQueries * width) * 3 + scratch_piece(kKeys * width) +
         scratch_piece(kQueries * v_width) * 3 + scratch_piece(kKeys * v_width) +
         scratch_piece(kKeys * kQueries) * 3 + scratch_piece(keys * width) +
         scratch_piece(keys * v_width);
}

// The keys of a head as the backward pass cuts them.
struct KeyChunks {
  int64_t size;
  int64_t count;
};

// Heads alone feed the threads where there are many; few are cut into chunks of keys, each with a
// dq of its own, added up at the end. Both bounds are constants: memory stays linear.
inline KeyChunks key_chunks(int64_t heads, int64_t keys) {
  constexpr int64_t kEnoughTasks = 16;
  constexpr int64_t kSmallestChunk = 2 * kKeys;
  heads = std::max<int64_t>(1, heads);
  int64_t wanted = (kEnoughTasks + heads - 1) / heads;
  int64_t size = std::max(kSmallestChunk, (keys + wanted - 1) / wanted);
  size = (size + kKeys - 1) / kKeys * kKeys;
  return {size, std::max<int64_t>(1, (keys + size - 1) / size)};
}

}  // namespace tessera::cpu
