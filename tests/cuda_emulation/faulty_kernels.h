// Kernels that are wrong on purpose: the emulation must find each fault.
#pragma once

#include <cuda_runtime.h>

namespace tessera::test {

// The sum of 256 numbers, with or without the barriers of its tree.
void sum_256(const float* x, float* out, bool with_barriers, cudaStream_t stream);
// Writes `count` ones.
void write_ones(float* out, int count, cudaStream_t stream);
// Half of a block waits at a barrier that the other half never reaches.
void half_a_barrier(cudaStream_t stream);

}  // namespace tessera::test
