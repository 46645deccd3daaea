#include "tests/cuda_emulation/faulty_kernels.h"

#include "core/cuda/launch.h"

namespace tessera::test {

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
  int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) out[i] = 1;
}

__global__ void half_a_barrier_kernel() {
  if (threadIdx.x < 32) __syncthreads();
}

void sum_256(const float* x, float* out, bool with_barriers, cudaStream_t stream) {
  auto kernel = with_barriers ? sum_256_kernel<true> : sum_256_kernel<false>;
  cuda::launch(kernel, 1, 256, 0, stream, x, out);
}

void write_ones(float* out, int count, cudaStream_t stream) {
  cuda::launch(ones_kernel, static_cast<unsigned>(count + 127) / 128, 128, 0, stream, out, count);
}

void half_a_barrier(cudaStream_t stream) { cuda::launch(half_a_barrier_kernel, 1, 64, 0, stream); }

}  // namespace tessera::test
