// The CPU's caching allocator.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera {

struct MemoryStats {
  int64_t current_bytes = 0;   // in live blocks, rounded up as they are handed out
  int64_t peak_bytes = 0;      // the most that current_bytes ever was, since the last reset
  int64_t reserved_bytes = 0;  // taken from the system: live blocks and kept ones
};

// Hands out blocks aligned to 64 bytes and keeps what is given back for the next caller of a
// similar size: writing a fresh page costs more than the arithmetic on it (a page fault takes
// 2.3 to 2.8 microseconds). Blocks of 1 MiB and more are mapped on their own, aligned to 2 MiB and
// advised to use huge pages. All functions may be called from any thread. Under the address
// sanitizer every block comes from the system and returns to it, so that overruns are seen.
namespace allocator {

// A block of at least `bytes` bytes, its content unspecified; nullptr for 0 bytes. Throws Error
// with the size when the system has no more.
void* allocate(size_t bytes);
// Gives back a block of allocate(bytes).
void deallocate(void* block, size_t bytes) noexcept;
// Counts memory that comes from elsewhere but holds arrays, in current_bytes and reserved_bytes:
// positive when it is taken, negative when it is given back.
void count_foreign(int64_t bytes);
// What a block of `bytes` bytes adds to current_bytes.
size_t block_size(size_t bytes);
MemoryStats stats();
void reset_peak();
// Returns the kept large blocks to the system.
void release_cached();

}  // namespace allocator
}  // namespace tessera
