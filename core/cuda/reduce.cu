// Sums in a fixed order: every thread adds its own elements in order, and the threads' sums meet in
// one tree in shared memory. No atomics, so the bits never depend on which block runs when.
#include "core/cuda/backend.h"
#include "core/cuda/strided.cuh"

namespace tessera::cuda {

// Rows or chunks of one launch; beyond them, blocks take several each.
inline constexpr int64_t kMaxGrid = 65535;
// A block that sums columns has this many of them, and this many threads for each.
inline constexpr unsigned kColumns = 32;
inline constexpr unsigned kColumnThreads = 8;
inline constexpr int64_t kSquareChunk = 256;

// The sum of the block's values, in thread 0. The trailing barrier lets `sums` be used again.
template <class T>
__device__ T block_sum(T value, T* sums) {
  unsigned t = threadIdx.x;
  sums[t] = value;
  __syncthreads();
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    if (t < half) sums[t] += sums[t + half];
    __syncthreads();
  }
  T sum = sums[0];
  __syncthreads();
  return sum;
}

template <class T>
__global__ void sum_rows_kernel(const T* x, T* out, int64_t rows, int64_t cols) {
  TESSERA_SHARED(T, sums, [kBlock]);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    T sum = 0;
    for (int64_t j = threadIdx.x; j < cols; j += kBlock) sum += x[row * cols + j];
    sum = block_sum(sum, sums);
    if (threadIdx.x == 0) out[row] = sum;
  }
}

template <class T>
__global__ void sum_columns_kernel(const T* x, T* out, int64_t rows, int64_t cols) {
  TESSERA_SHARED(T, sums, [kColumnThreads][kColumns]);
  unsigned lane = threadIdx.x;
  unsigned part = threadIdx.y;
  int64_t groups = (cols + kColumns - 1) / kColumns;
  for (int64_t group = blockIdx.x; group < groups; group += gridDim.x) {
    int64_t col = group * kColumns + lane;
    T sum = 0;
    if (col < cols) {
      for (int64_t i = part; i < rows; i += kColumnThreads) sum += x[i * cols + col];
    }
    sums[part][lane] = sum;
    __syncthreads();
    for (unsigned half = kColumnThreads / 2; half > 0; half /= 2) {
      if (part < half) sums[part][lane] += sums[part + half][lane];
      __syncthreads();
    }
    if (part == 0 && col < cols) out[col] = sums[0][lane];
    __syncthreads();
  }
}

template <class T>
__global__ void square_sums_kernel(const T* x, double* out, int64_t count) {
  TESSERA_SHARED(double, sums, [kBlock]);
  int64_t chunks = (count + kSquareChunk - 1) / kSquareChunk;
  for (int64_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    int64_t i = chunk * kSquareChunk + threadIdx.x;
    double value = i < count ? static_cast<double>(x[i]) : 0.0;
    double sum = block_sum(value * value, sums);
    if (threadIdx.x == 0) out[chunk] = sum;
  }
}

static_assert(kSquareChunk == kBlock, "one thread an element of a chunk");

inline dim3 grid_of(int64_t blocks) {
  return dim3(static_cast<unsigned>(std::min(blocks, kMaxGrid)));
}

namespace {

class Reduce final : public ReduceFamily {
 public:
  void sum_rows(const Array& x, const Array& out) const override {
    if (out.numel() == 0) return;
    int index = out.device().index;
    DeviceGuard device(index);
    visit_f32_f64(x.dtype(), "sum_rows", [&](auto tag) {
      using T = typename decltype(tag)::type;
      launch(sum_rows_kernel<T>, grid_of(out.numel()), kBlock, 0, current_stream(index),
             x.data<T>(), out.data<T>(), x.shape()[0], x.shape()[1]);
    });
  }

  void sum_columns(const Array& x, const Array& out) const override {
    if (out.numel() == 0) return;
    int index = out.device().index;
    DeviceGuard device(index);
    visit_f32_f64(x.dtype(), "sum_columns", [&](auto tag) {
      using T = typename decltype(tag)::type;
      launch(sum_columns_kernel<T>, grid_of((out.numel() + kColumns - 1) / kColumns),
             dim3(kColumns, kColumnThreads), 0, current_stream(index), x.data<T>(), out.data<T>(),
             x.shape()[0], x.shape()[1]);
    });
  }

  void chunk_square_sums(const Array& x, const Array& out) const override {
    if (out.numel() == 0) return;
    int index = out.device().index;
    DeviceGuard device(index);
    visit_f32_f64(x.dtype(), "chunk_square_sums", [&](auto tag) {
      using T = typename decltype(tag)::type;
      launch(square_sums_kernel<T>, grid_of(out.numel()), kBlock, 0, current_stream(index),
             x.data<T>(), out.data<double>(), x.numel());
    });
  }
};

}  // namespace

const ReduceFamily& reduce_family() {
  static const Reduce family;
  return family;
}

}  // namespace tessera::cuda
