#include "nn/data/sampler.h"

#include "core/philox.h"

namespace tessera::data {

Sampler::Sampler(uint64_t seed, int64_t size) : seed_(seed), size_(size) {
  TESSERA_CHECK(size >= 1, "[Sampler] the dataset is empty");
}

int64_t Sampler::index_at(int64_t position) const {
  TESSERA_CHECK(position >= 0, "[Sampler] expected a position of at least 0, got {}", position);
  auto epoch = static_cast<uint64_t>(position / size_);
  // Two words of a Philox block make a key of their own for every epoch.
  auto words = philox_block({seed_, 0x65706f6368}, epoch);
  uint64_t key = uint64_t{words[1]} << 32 | words[0];
  return static_cast<int64_t>(
      permute_index(key, static_cast<uint64_t>(position % size_), static_cast<uint64_t>(size_)));
}

}  // namespace tessera::data
