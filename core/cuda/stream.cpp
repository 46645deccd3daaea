#include "core/cuda/stream.h"

#include <map>
#include <mutex>
#include <vector>

#include "core/cuda/check.h"

namespace tessera::cuda {
namespace {

// Streams that no thread has at the moment.
class FreeStreams {
 public:
  cudaStream_t take(int index) {
    {
      std::lock_guard lock(mutex_);
      std::vector<cudaStream_t>& streams = free_[index];
      if (!streams.empty()) {
        cudaStream_t stream = streams.back();
        streams.pop_back();
        return stream;
      }
    }
    DeviceGuard device(index);
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    return stream;
  }

  void give(int index, cudaStream_t stream) {
    std::lock_guard lock(mutex_);
    free_[index].push_back(stream);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::vector<cudaStream_t>> free_;
};

// Never destroyed: threads may end after static objects are gone.
FreeStreams& free_streams() {
  static auto* streams = new FreeStreams;
  return *streams;
}

struct ThreadStreams {
  std::map<int, cudaStream_t> of_device;
  ~ThreadStreams() {
    for (auto [index, stream] : of_device) free_streams().give(index, stream);
  }
};

thread_local ThreadStreams thread_streams;

}  // namespace

cudaStream_t current_stream(int index) {
  cudaStream_t& stream = thread_streams.of_device[index];
  if (!stream) stream = free_streams().take(index);
  return stream;
}

cudaStream_t current_stream_if_any(int index) noexcept {
  auto found = thread_streams.of_device.find(index);
  return found == thread_streams.of_device.end() ? nullptr : found->second;
}

}  // namespace tessera::cuda
