#include <algorithm>

#include "core/cuda/content_errors.cuh"
#include "core/cuda/families.h"
#include "core/cuda/strided.cuh"
#include "core/kernels/gather.h"

namespace tessera::cuda {

// out[i, :] = table[index[i], :], and zeros where the table has no such row.
template <class Word>
__global__ void gather_rows(const Word* table, const int64_t* index, Word* out, int64_t count,
                            int64_t rows, int64_t cols, Report to) {
  for (int64_t k = global_thread(); k < count * cols; k += num_threads_in_grid()) {
    int64_t i = k / cols;
    int64_t j = k % cols;
    int64_t at = index[i];
    bool inside = at >= 0 && at < rows;
    out[k] = inside ? table[at * cols + j] : Word(0);
    if (!inside && j == 0) report(to, i, at);
  }
}

// Blocks share the entries of the index: that with a row's first entry adds all of them up in their
// order, a thread for each column. Reads the index once for every entry.
template <class T>
__global__ void add_rows(const T* source, const int64_t* index, T* table, int64_t count,
                         int64_t rows, int64_t cols, Report to) {
  TESSERA_SHARED(int, seen_before, [1]);
  for (int64_t first = blockIdx.x; first < count; first += gridDim.x) {
    int64_t at = index[first];
    bool inside = at >= 0 && at < rows;
    if (!inside && threadIdx.x == 0) report(to, first, at);
    if (threadIdx.x == 0) seen_before[0] = inside ? 0 : 1;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < first && inside; i += blockDim.x) {
      if (index[i] == at) atomicExch(&seen_before[0], 1);
    }
    __syncthreads();
    bool first_of_row = seen_before[0] == 0;
    for (int64_t i = first; i < count && first_of_row; ++i) {
      if (index[i] != at) continue;
      for (int64_t j = threadIdx.x; j < cols; j += blockDim.x) {
        table[at * cols + j] += source[i * cols + j];
      }
    }
    __syncthreads();
  }
}

namespace {

ContentChecks::Text outside(const char* op, int64_t rows) {
  return [op, rows](int64_t position, int64_t at) {
    return fmt::format("[{}] expected an index in [0, {}), got {} at {}", op, rows, at, position);
  };
}

template <class Word>
void gather_words(const Array& table, const Array& index, const Array& out) {
  int device = out.device().index;
  int64_t rows = table.shape()[0];
  launch(gather_rows<Word>, blocks_for(out.numel()), kBlock, current_stream(device),
         static_cast<const Word*>(table.device_raw()), device_data<const int64_t>(index),
         static_cast<Word*>(out.device_raw()), index.numel(), rows, table.shape()[1],
         content_check(device, outside("embedding", rows)));
}

class Gather final : public GatherFamily {
 public:
  void rows(const Array& table, const Array& index, const Array& out) const override {
    if (out.numel() == 0) return;
    DeviceGuard device(out.device().index);
    switch (item_size(out.dtype())) {
      case 1: return gather_words<uint8_t>(table, index, out);
      case 2: return gather_words<uint16_t>(table, index, out);
      case 4: return gather_words<uint32_t>(table, index, out);
      default: return gather_words<uint64_t>(table, index, out);
    }
  }

  void scatter_add_rows(const Array& source, const Array& index,
                        const Array& table) const override {
    if (index.numel() == 0) return;
    int device = table.device().index;
    DeviceGuard guard(device);
    int64_t rows = table.shape()[0];
    visit_f32_f64(source.dtype(), "scatter_add", [&](auto tag) {
      using T = typename decltype(tag)::type;
      int64_t blocks = std::min(kMaxBlocks, index.numel());
      launch(add_rows<T>, dim3(static_cast<unsigned>(blocks)), kBlock, current_stream(device),
             device_data<const T>(source), device_data<const int64_t>(index), device_data<T>(table),
             index.numel(), rows, table.shape()[1],
             content_check(device, outside("embedding_grad", rows)));
    });
  }
};

}  // namespace

const GatherFamily& gather_family() {
  static const Gather family;
  return family;
}

}  // namespace tessera::cuda
