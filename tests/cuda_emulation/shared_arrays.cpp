#include "tests/cuda_emulation/shared_arrays.h"

#include <cstdlib>
#include <cstring>

#include "tests/cuda_emulation/internal.h"
#ifdef TESSERA_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tessera::emulation {
namespace {

constexpr size_t kLimit = size_t{48} << 10;  // of static shared memory, on every GPU
constexpr size_t kCapacity = 2 * kLimit;     // with the red zones
constexpr size_t kAlignment = 128;
constexpr size_t kRedZone = 64;
constexpr char kRedZoneByte = '\xA5';

}  // namespace

void SharedArrays::open() {
#ifdef TESSERA_EMULATION_TSAN
  // Memory of its own for each block: nothing orders one block's accesses before the next one's.
  if (memory_) old_.push_back(memory_);
  memory_ = nullptr;
#endif
  if (!memory_) memory_ = static_cast<char*>(std::aligned_alloc(kAlignment, kCapacity));
#ifdef TESSERA_EMULATION_ASAN
  __asan_unpoison_memory_region(memory_, kCapacity);  // of the block before
#endif
  std::memset(memory_, 0xFF, kCapacity);
#ifdef TESSERA_EMULATION_ASAN
  __asan_poison_memory_region(memory_, kCapacity);
#endif
  num_sites_ = 0;
  used_ = 0;
  payload_ = 0;
}

void* SharedArrays::at(const void* site, size_t bytes) {
  for (size_t i = 0; i < num_sites_; ++i) {
    if (sites_[i].tag == site) return memory_ + sites_[i].offset;
  }
  size_t offset = used_;
  payload_ += bytes;
  used_ = (offset + bytes + kRedZone + kAlignment - 1) / kAlignment * kAlignment;
  if (payload_ > kLimit || used_ > kCapacity || num_sites_ == sites_.size()) return nullptr;
  sites_[num_sites_++] = {site, offset, bytes};
  char* array = memory_ + offset;
#if defined(TESSERA_EMULATION_ASAN)
  __asan_unpoison_memory_region(array, bytes);
#elif !defined(TESSERA_EMULATION_TSAN)
  std::memset(array + bytes, kRedZoneByte, kRedZone);
#endif
  return array;
}

bool SharedArrays::intact() const {
#if !defined(TESSERA_EMULATION_ASAN) && !defined(TESSERA_EMULATION_TSAN)
  for (size_t s = 0; s < num_sites_; ++s) {
    const char* zone = memory_ + sites_[s].offset + sites_[s].bytes;
    for (size_t i = 0; i < kRedZone; ++i) {
      if (zone[i] != kRedZoneByte) return false;
    }
  }
#endif
  return true;
}

void SharedArrays::close() {
  for (char* memory : old_) std::free(memory);
  old_.clear();
#ifdef TESSERA_EMULATION_ASAN
  __asan_unpoison_memory_region(memory_, kCapacity);
#endif
}

}  // namespace tessera::emulation
