// A pool of device memory. Blocks belong to the stream they were first allocated for and return to
// it, so that reusing one needs no waiting: the stream runs its work in order.
#pragma once

#include "core/allocator.h"

namespace tessera::cuda {

// As Backend's functions of these names.
void* allocate(size_t bytes, int index);
void deallocate(void* block, int index) noexcept;
MemoryStats memory_stats(int index);
void reset_peak(int index);

}  // namespace tessera::cuda
