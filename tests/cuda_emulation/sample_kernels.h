// Small kernels that show what the emulation does, most of them with a fault that it must find.
#pragma once

#include <cuda_runtime.h>

namespace tessera::test {

// out[0] = the sum of 256 numbers, with or without the barriers that its tree needs.
void sum_256(const float* x, float* out, bool with_barriers, cudaStream_t stream);
// out[i] = 1 for `count` elements.
void write_ones(float* out, int count, cudaStream_t stream);
// out[i] = x[i]
void copy_elements(const float* x, float* out, int count, cudaStream_t stream);
// Of 64 numbers, two warps: out is five rows of 64, the sum of the warp, the next lane's number,
// the one before, that of lane 3, and the lanes that hold a positive one.
void talk_within_warps(const float* x, float* out, cudaStream_t stream);
// counts[v % 4] += 1 for each of `count` v, by atomic additions.
void count_by_four(const int* values, int* counts, int count, cudaStream_t stream);
// out[i] += 1 by two blocks at once.
void add_in_two_blocks(float* out, int count, cudaStream_t stream);
// Half of a block waits at a barrier that the other half never reaches.
void half_a_barrier(cudaStream_t stream);
// Two halves of a block wait at different barriers.
void two_barriers(cudaStream_t stream);
// Half of a warp shuffles with lanes that have exited.
void half_a_shuffle(cudaStream_t stream);
// Writes one element past an array in shared memory.
void past_shared_memory(cudaStream_t stream);

}  // namespace tessera::test
