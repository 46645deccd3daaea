// The one header of CUDA's that kernels include. The same kernels compile with nvcc and, for tests
// without a GPU, with the host compiler (tests/cuda_emulation), which core/cuda/README.md's rules
// make possible.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <utility>

#include "core/cuda/error_codes.h"

// tests/cuda_emulation has its own of the following.
#ifndef TESSERA_CUDA_EMULATION
// TESSERA_SHARED(float, name, [32][33]): an array in the block's shared memory.
#define TESSERA_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
namespace tessera::cuda {
// What must be known of a kernel before it is launched: with nvcc, nothing.
template <class... P>
void announce(void (*)(P...)) {}
__host__ __device__ inline double log_gamma(double x) { return ::lgamma(x); }
}  // namespace tessera::cuda
#endif

namespace tessera::cuda {

// Enqueues kernel(args...) on the stream.
template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, cudaStream_t stream, A&&... args) {
  announce(kernel);
  auto enqueue = [&](P... params) {
    void* pointers[] = {const_cast<void*>(static_cast<const void*>(&params))..., nullptr};
    return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, pointers, 0,
                            stream);
  };
  check(enqueue(std::forward<A>(args)...), "a kernel's launch");
}

}  // namespace tessera::cuda
