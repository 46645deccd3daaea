// Walking several strided arrays of one shape together, one thread an element.
#pragma once

#include <array>

#include "core/cpu/strided.h"
#include "core/cuda/device_data.h"
#include "core/cuda/launch.h"
#include "core/cuda/stream.h"

namespace tessera::cuda {

// Dims that are left after neighbouring ones are merged.
inline constexpr int kMaxDims = 16;
inline constexpr unsigned kBlock = 256;
// Blocks of one launch; beyond them, threads take several elements each.
inline constexpr int64_t kMaxBlocks = int64_t{1} << 20;

template <int N>
struct Strided {
  int64_t count;
  int dims;
  int64_t shape[kMaxDims];
  int64_t strides[N][kMaxDims];

  // Where the i-th element in row-major order lies in each array.
  __device__ void locate(int64_t i, int64_t (&at)[N]) const {
    for (int a = 0; a < N; ++a) at[a] = 0;
    for (int d = dims - 1; d >= 0; --d) {
      int64_t index = i % shape[d];
      i /= shape[d];
      for (int a = 0; a < N; ++a) at[a] += index * strides[a][d];
    }
  }
};

template <size_t N>
Strided<static_cast<int>(N)> strided(const std::array<const Array*, N>& arrays) {
  cpu::StridedLoop<N> merged(arrays);
  TESSERA_CHECK(merged.shape.size() <= kMaxDims,
                "[cuda] expected at most {} dims that do not merge, got shape {}", kMaxDims,
                arrays[0]->shape());
  Strided<static_cast<int>(N)> loop{};
  loop.count = arrays[0]->numel();
  loop.dims = static_cast<int>(merged.shape.size());
  for (size_t d = 0; d < merged.shape.size(); ++d) {
    loop.shape[d] = merged.shape[d];
    for (size_t a = 0; a < N; ++a) loop.strides[a][d] = merged.strides[a][d];
  }
  return loop;
}

inline dim3 blocks_for(int64_t count) {
  return dim3(static_cast<unsigned>(std::min(kMaxBlocks, (count + kBlock - 1) / kBlock)));
}

__device__ inline int64_t global_thread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t num_threads_in_grid() {
  return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

}  // namespace tessera::cuda
