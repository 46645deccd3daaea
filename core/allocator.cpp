#include "core/allocator.h"

#include <pthread.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <mutex>
#include <new>
#include <vector>

#include "core/error.h"

namespace tessera::allocator {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCache = false;
#else
constexpr bool kCache = true;
#endif

constexpr size_t kAlignment = 64;
constexpr size_t kSlabBytes = size_t{1} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
// Sizes between two powers of two fall into eight classes, so that at most an eighth is wasted.
constexpr int kClassBits = 3;
constexpr size_t kNumClasses = 64 << kClassBits;

struct SizeClass {
  size_t index;
  size_t bytes;
};

SizeClass size_class(size_t bytes) {
  bytes = (bytes + kAlignment - 1) & ~(kAlignment - 1);
  int exponent = std::bit_width(bytes) - 1;
  int step_bits = exponent > kClassBits ? exponent - kClassBits : 0;
  size_t step = size_t{1} << step_bits;
  size_t rounded = (bytes + step - 1) & ~(step - 1);
  exponent = std::bit_width(rounded) - 1;
  step_bits = exponent > kClassBits ? exponent - kClassBits : 0;
  size_t within = (rounded >> step_bits) & ((size_t{1} << kClassBits) - 1);
  return {(static_cast<size_t>(exponent) << kClassBits) + within, rounded};
}

[[noreturn]] void out_of_memory(size_t bytes) {
  throw_error(fmt::format("[allocate] the system has no {} bytes left; {} are in use", bytes,
                          stats().current_bytes));
}

// Maps `bytes` at a 2 MiB boundary.
void* map_large(size_t bytes) {
  size_t padded = bytes + kHugePage;
  void* raw = mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto begin = reinterpret_cast<uintptr_t>(raw);
  uintptr_t aligned = (begin + kHugePage - 1) & ~(kHugePage - 1);
  if (aligned > begin) munmap(raw, aligned - begin);
  uintptr_t end = aligned + bytes;
  if (begin + padded > end) munmap(reinterpret_cast<void*>(end), begin + padded - end);
  madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);
  return reinterpret_cast<void*>(aligned);
}

constexpr size_t page_round(size_t bytes) { return (bytes + 4095) & ~size_t{4095}; }

class Cache {
 public:
  void* take(SizeClass size) {
    std::lock_guard lock(mutex_);
    void* block = pop(size);
    stats_.current_bytes += static_cast<int64_t>(size.bytes);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.current_bytes);
    return block;
  }

  void give(void* block, SizeClass size) noexcept {
    std::lock_guard lock(mutex_);
    stats_.current_bytes -= static_cast<int64_t>(size.bytes);
    if constexpr (kCache) {
      kept_[size.index].push_back(block);
    } else {
      stats_.reserved_bytes -= static_cast<int64_t>(size.bytes);
      ::operator delete (block, std::align_val_t{kAlignment});
    }
  }

  void count_foreign(int64_t bytes) {
    std::lock_guard lock(mutex_);
    stats_.reserved_bytes += bytes;
    stats_.current_bytes += bytes;
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.current_bytes);
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.current_bytes;
  }

  void release_cached() {
    std::lock_guard lock(mutex_);
    release_large();
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  void* pop(SizeClass size) {
    if constexpr (!kCache) {
      void* block = ::operator new (size.bytes, std::align_val_t{kAlignment}, std::nothrow);
      if (!block) throw std::bad_alloc();
      stats_.reserved_bytes += static_cast<int64_t>(size.bytes);
      return block;
    }
    std::vector<void*>& kept = kept_[size.index];
    if (!kept.empty()) {
      void* block = kept.back();
      kept.pop_back();
      return block;
    }
    // Room for every block's return is made now, so that giving back never allocates.
    size_t& made = made_[size.index];
    if (kept.capacity() <= made) kept.reserve(2 * made + 8);
    void* block = size.bytes < kSlabBytes ? carve(size.bytes) : map(size.bytes);
    ++made;
    return block;
  }

  // The next piece of the open slab; what is left of a full slab is dropped.
  void* carve(size_t bytes) {
    if (slab_left_ < bytes) {
      slab_ = static_cast<char*>(map(kSlabBytes));
      slab_left_ = kSlabBytes;
    }
    void* block = slab_;
    slab_ += bytes;
    slab_left_ -= bytes;
    return block;
  }

  void* map(size_t bytes) {
    bytes = page_round(bytes);
    void* block = map_large(bytes);
    if (!block) {
      release_large();
      block = map_large(bytes);
    }
    if (!block) throw std::bad_alloc();
    stats_.reserved_bytes += static_cast<int64_t>(bytes);
    return block;
  }

  void release_large() {
    for (size_t index = size_class(kSlabBytes).index; index < kNumClasses; ++index) {
      size_t exponent = index >> kClassBits;
      size_t within = index & ((size_t{1} << kClassBits) - 1);
      size_t bytes = page_round(((size_t{1} << kClassBits) + within) << (exponent - kClassBits));
      for (void* block : kept_[index]) {
        munmap(block, bytes);
        stats_.reserved_bytes -= static_cast<int64_t>(bytes);
        --made_[index];
      }
      kept_[index].clear();
    }
  }

  std::mutex mutex_;
  MemoryStats stats_;
  std::array<std::vector<void*>, kNumClasses> kept_;
  std::array<size_t, kNumClasses> made_{};  // blocks of the class, live or kept
  char* slab_ = nullptr;
  size_t slab_left_ = 0;
};

// Never destroyed: arrays in static storage may give blocks back after main ends.
Cache& cache() {
  static auto* instance = [] {
    auto* made = new Cache;
    // A child gets no lock that another thread of its parent held.
    pthread_atfork([] { cache().lock(); }, [] { cache().unlock(); }, [] { cache().unlock(); });
    return made;
  }();
  return *instance;
}

}  // namespace

void* allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  // No machine maps more than this; the limit keeps the rounding below from overflowing.
  if (bytes > size_t{1} << 47) out_of_memory(bytes);
  try {
    return cache().take(size_class(bytes));
  } catch (const std::bad_alloc&) {
    out_of_memory(bytes);
  }
}

void deallocate(void* block, size_t bytes) noexcept {
  if (block) cache().give(block, size_class(bytes));
}

size_t block_size(size_t bytes) { return bytes == 0 ? 0 : size_class(bytes).bytes; }
MemoryStats stats() { return cache().stats(); }
void count_foreign(int64_t bytes) { cache().count_foreign(bytes); }
void reset_peak() { cache().reset_peak(); }
void release_cached() { cache().release_cached(); }

}  // namespace tessera::allocator
