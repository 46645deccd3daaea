#include "core/philox.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace tessera {
namespace {

// Keeps streams of different purposes apart, whatever their names.
constexpr uint64_t kParameterDomain = 0x706172616d;
constexpr uint64_t kCallDomain = 0x63616c6c;

}  // namespace

RandomStream parameter_stream(uint64_t seed, std::string_view parameter_name) {
  return {seed, XXH64(parameter_name.data(), parameter_name.size(), kParameterDomain)};
}

RandomStream call_stream(uint64_t seed, uint64_t step, uint64_t leaf, std::string_view module_path,
                         uint64_t call) {
  uint64_t path = XXH64(module_path.data(), module_path.size(), kCallDomain);
  const std::array<uint64_t, 4> place{path, step, leaf, call};
  return {seed, XXH64(place.data(), sizeof place, kCallDomain)};
}

uint64_t permute_index(uint64_t seed, uint64_t position, uint64_t count) {
  TESSERA_CHECK(position < count, "[permute_index] expected a position below {}, got {}", count,
                position);
  // Two halves of equal width whose square covers count: at most four times as many values, so
  // the walk takes four steps on average at worst. Below 64 values it takes more, as halves of
  // fewer than four bits would make some orders more likely than others.
  int half_bits = std::max(4, (static_cast<int>(std::bit_width(count - 1)) + 1) / 2);
  uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t value = position;
  do {
    uint64_t left = value >> half_bits;
    uint64_t right = value & mask;
    for (uint32_t round = 0; round < 4; ++round) {
      auto words = philox(
          {static_cast<uint32_t>(right), static_cast<uint32_t>(right >> 32), round, 0x7065726d},
          {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
      uint64_t mixed = (uint64_t{words[1]} << 32 | words[0]) & mask;
      uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    value = left << half_bits | right;
  } while (value >= count);
  return value;
}

}  // namespace tessera
