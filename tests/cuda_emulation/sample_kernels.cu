#include "tests/cuda_emulation/sample_kernels.h"

#include "core/cuda/launch.h"

namespace tessera::test {

constexpr unsigned kAllLanes = ~0U;

__device__ inline int global_index() {
  return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

template <bool kBarriers>
__global__ void sum_256_kernel(const float* x, float* out) {
  TESSERA_SHARED(float, sums, [256]);
  unsigned t = threadIdx.x;
  sums[t] = x[t];
  if constexpr (kBarriers) __syncthreads();
  for (unsigned half = 128; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];
    if constexpr (kBarriers) __syncthreads();
  }
  if (t == 0) out[0] = sums[0];
}

__global__ void ones_kernel(float* out, int count) {
  int i = global_index();
  if (i < count) out[i] = 1;
}

__global__ void copy_kernel(const float* x, float* out, int count) {
  int i = global_index();
  if (i < count) out[i] = x[i];
}

__global__ void talk_kernel(const float* x, float* out) {
  float value = x[threadIdx.x];
  float sum = value;
  for (int bits = 16; bits > 0; bits /= 2) sum += __shfl_xor_sync(kAllLanes, sum, bits);
  float* mine = out + threadIdx.x;
  mine[0] = sum;
  mine[64] = __shfl_down_sync(kAllLanes, value, 1);
  mine[128] = __shfl_up_sync(kAllLanes, value, 1);
  mine[192] = __shfl_sync(kAllLanes, value, 3);
  __syncwarp();
  mine[256] = static_cast<float>(__ballot_sync(kAllLanes, value > 0));
}

__global__ void count_kernel(const int* values, int* counts, int count) {
  int i = global_index();
  if (i < count) atomicAdd(&counts[values[i] % 4], 1);
}

__global__ void add_kernel(float* out, int count) {
  int i = static_cast<int>(threadIdx.x);
  if (i < count) out[i] += 1;
}

__global__ void half_a_barrier_kernel() {
  if (threadIdx.x < 32) __syncthreads();
}

__global__ void two_barriers_kernel() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void half_a_shuffle_kernel() {
  if (threadIdx.x < 16) __shfl_xor_sync(kAllLanes, 1.0F, 1);
}

__global__ void past_shared_memory_kernel() {
  TESSERA_SHARED(float, values, [64]);
  float* past = &values[0] + 1;
  past[threadIdx.x] = 1;
}

void sum_256(const float* x, float* out, bool with_barriers, cudaStream_t stream) {
  auto kernel = with_barriers ? sum_256_kernel<true> : sum_256_kernel<false>;
  cuda::launch(kernel, 1, 256, stream, x, out);
}

void write_ones(float* out, int count, cudaStream_t stream) {
  cuda::launch(ones_kernel, static_cast<unsigned>(count + 127) / 128, 128, stream, out, count);
}

void copy_elements(const float* x, float* out, int count, cudaStream_t stream) {
  cuda::launch(copy_kernel, static_cast<unsigned>(count + 127) / 128, 128, stream, x, out, count);
}

void talk_within_warps(const float* x, float* out, cudaStream_t stream) {
  cuda::launch(talk_kernel, 1, 64, stream, x, out);
}

void count_by_four(const int* values, int* counts, int count, cudaStream_t stream) {
  cuda::launch(count_kernel, static_cast<unsigned>(count + 127) / 128, 128, stream, values, counts,
               count);
}

void add_in_two_blocks(float* out, int count, cudaStream_t stream) {
  cuda::launch(add_kernel, 2, 128, stream, out, count);
}

void half_a_barrier(cudaStream_t stream) { cuda::launch(half_a_barrier_kernel, 1, 64, stream); }
void two_barriers(cudaStream_t stream) { cuda::launch(two_barriers_kernel, 1, 64, stream); }
void half_a_shuffle(cudaStream_t stream) { cuda::launch(half_a_shuffle_kernel, 1, 32, stream); }
void past_shared_memory(cudaStream_t stream) {
  cuda::launch(past_shared_memory_kernel, 1, 64, stream);
}

}  // namespace tessera::test
