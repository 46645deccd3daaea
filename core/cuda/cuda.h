// The CUDA backend as the rest of core sees it. This header needs no CUDA toolkit: builds without
// one take no_cuda.cpp, where there is no device and every other call throws.
#pragma once

#include <cstddef>
#include <string>

#include "core/array.h"
#include "core/kernels.h"

namespace tessera::cuda {

// What the driver said when it was first asked. Asking starts the driver, which takes tens of
// milliseconds where there is one, so nothing asks before somebody wants a CUDA device.
struct Availability {
  int num_devices = 0;
  std::string reason;  // why there is none; empty where there are some
};
const Availability& availability();

// The device's name and memory, for people.
std::string describe(int index);

// The kernels of all CUDA devices; each call runs on the device of its arrays. Throws Error with
// the reason when there is no such device.
const Kernels& kernel_table(Device device);

// A block of at least `bytes` bytes for work on the calling thread's stream, its content
// unspecified; nullptr for 0 bytes. Throws Error when the device has no more.
void* allocate(size_t bytes, int index);
// Gives the block back. Work that the calling thread has enqueued may still be using it: later
// users are ordered behind it.
void deallocate(void* block, int index) noexcept;
// Bytes in live blocks and bytes taken from the device.
struct PoolStats {
  size_t live_bytes = 0;
  size_t reserved_bytes = 0;
};
PoolStats pool_stats(int index);

// Copies equal bytes between contiguous arrays of one dtype and shape of which one or both are on
// CUDA devices. When it returns, a source on the CPU may be changed and an output there be read.
void transfer(const Array& source, const Array& out);

// Blocks until the calling thread's work on the device is done; throws what it failed with.
void synchronize(int index);

}  // namespace tessera::cuda
