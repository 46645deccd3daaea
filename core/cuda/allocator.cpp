#include "core/cuda/allocator.h"

#include <bit>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/cuda/cuda.h"
#include "core/cuda/device.h"
#include "core/cuda/error_codes.h"
#include "core/cuda/stream.h"

namespace tessera::cuda {
namespace {

// Under the sanitizers every block is exact and goes back at once, so that overruns are seen.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeep = false;
#else
constexpr bool kKeep = true;
#endif

// CUDA's own alignment.
constexpr size_t kAlignment = 256;

// Between two powers of two lie four sizes, so that at most a quarter is wasted.
size_t rounded_size(size_t bytes) {
  if (!kKeep) return bytes;
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  size_t step = std::max(kAlignment, std::bit_floor(bytes) / 4);
  return (bytes + step - 1) / step * step;
}

class Pool {
 public:
  explicit Pool(int index) : index_(index) {}

  void* take(size_t bytes) {
    bytes = rounded_size(bytes);
    cudaStream_t stream = current_stream(index_);
    std::lock_guard lock(mutex_);
    std::vector<void*>& kept = kept_[{stream, bytes}];
    void* block = nullptr;
    if (!kept.empty()) {
      block = kept.back();
      kept.pop_back();
    } else {
      block = reserve(bytes);
    }
    live_[block] = {bytes, stream};
    stats_.current_bytes += static_cast<int64_t>(bytes);
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.current_bytes);
    return block;
  }

  void give(void* block) noexcept {
    std::lock_guard lock(mutex_);
    auto found = live_.find(block);
    if (found == live_.end()) return;
    Block info = found->second;
    live_.erase(found);
    stats_.current_bytes -= static_cast<int64_t>(info.bytes);
    cudaStream_t here = current_stream_if_any(index_);
    if (here && here != info.stream) order(here, info.stream);
    if (kKeep) {
      kept_[{info.stream, info.bytes}].push_back(block);
    } else {
      (void)cudaFree(block);
      stats_.reserved_bytes -= static_cast<int64_t>(info.bytes);
    }
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.current_bytes;
  }

 private:
  struct Block {
    size_t bytes;
    cudaStream_t stream;
  };

  void* reserve(size_t bytes) {
    DeviceGuard device(index_);
    void* block = nullptr;
    cudaError_t code = cudaMalloc(&block, bytes);
    if (code == cudaErrorMemoryAllocation) {
      release_kept();
      (void)cudaGetLastError();
      code = cudaMalloc(&block, bytes);
    }
    TESSERA_CHECK(code == cudaSuccess,
                  "[allocate] cuda:{} has no {} bytes left ({}); {} are in use", index_, bytes,
                  cudaGetErrorString(code), stats_.current_bytes);
    stats_.reserved_bytes += static_cast<int64_t>(bytes);
    return block;
  }

  // cudaFree waits for the whole device, so no work can still be using these.
  void release_kept() {
    for (auto& [key, blocks] : kept_) {
      for (void* block : blocks) {
        (void)cudaFree(block);
        stats_.reserved_bytes -= static_cast<int64_t>(key.second);
      }
      blocks.clear();
    }
  }

  // Makes `later` wait for what `earlier` has been given so far.
  void order(cudaStream_t earlier, cudaStream_t later) noexcept {
    int before = index_;
    (void)cudaGetDevice(&before);
    (void)cudaSetDevice(index_);
    cudaEvent_t event = nullptr;
    bool ordered = cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess &&
                   cudaEventRecord(event, earlier) == cudaSuccess &&
                   cudaStreamWaitEvent(later, event, 0) == cudaSuccess;
    if (!ordered) (void)cudaStreamSynchronize(earlier);
    if (event) (void)cudaEventDestroy(event);
    (void)cudaSetDevice(before);
  }

  int index_;
  std::mutex mutex_;
  MemoryStats stats_;
  std::unordered_map<void*, Block> live_;
  std::map<std::pair<cudaStream_t, size_t>, std::vector<void*>> kept_;
};

// Never destroyed: arrays in static storage may give blocks back after main ends.
Pool& pool(int index) {
  check_device(index);
  static auto* pools = [] {
    auto* all = new std::vector<std::unique_ptr<Pool>>;
    for (int i = 0; i < availability().num_devices; ++i) all->push_back(std::make_unique<Pool>(i));
    return all;
  }();
  return *(*pools)[static_cast<size_t>(index)];
}

}  // namespace

void* allocate(size_t bytes, int index) {
  Pool& blocks = pool(index);
  // More than any device has; the limit keeps the rounding from overflowing.
  TESSERA_CHECK(bytes < size_t{1} << 47, "[allocate] cuda:{} has no {} bytes", index, bytes);
  return bytes == 0 ? nullptr : blocks.take(bytes);
}

void deallocate(void* block, int index) noexcept {
  if (block) pool(index).give(block);
}

MemoryStats memory_stats(int index) { return pool(index).stats(); }

void reset_peak(int index) { pool(index).reset_peak(); }

}  // namespace tessera::cuda
