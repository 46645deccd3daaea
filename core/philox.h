// Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3").
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/error.h"

namespace tessera {

// Names one sequence of random numbers: a key and the upper half of the counter. Element i of the
// sequence depends on nothing but the stream and i, so any part of it can be made anywhere.
struct RandomStream {
  uint64_t key = 0;
  uint64_t counter_high = 0;
  friend bool operator==(const RandomStream&, const RandomStream&) = default;
};

// Ten rounds of Philox 4x32: four 32-bit words for one 128-bit counter and 64-bit key. In
// variables, not arrays: a sanitizer would check each access to these.
constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter,
                                         std::array<uint32_t, 2> key) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t{0xD2511F53} * c0;
    uint64_t p1 = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {c0, c1, c2, c3};
}

// The four words of block `block` (elements 4 block to 4 block + 3) of the stream.
constexpr std::array<uint32_t, 4> philox_block(const RandomStream& stream, uint64_t block) {
  return philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                 static_cast<uint32_t>(stream.counter_high),
                 static_cast<uint32_t>(stream.counter_high >> 32)},
                {static_cast<uint32_t>(stream.key), static_cast<uint32_t>(stream.key >> 32)});
}

// The initial values of a parameter: keyed by (seed, name), so that a rank makes only its shard.
RandomStream parameter_stream(uint64_t seed, std::string_view parameter_name);

// The numbers of one call of one module in one leaf of one step.
RandomStream call_stream(uint64_t seed, uint64_t step, uint64_t leaf, std::string_view module_path,
                         uint64_t call);

// A value in [0, count) that a seeded permutation of [0, count) puts at `position`: a Feistel
// network of four Philox rounds' width, walked until it falls inside (Black and Rogaway 2002).
uint64_t permute_index(uint64_t seed, uint64_t position, uint64_t count);

}  // namespace tessera
