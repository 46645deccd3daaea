#include "core/cuda/stream.h"

#include <map>
#include <mutex>
#include <vector>

#include "core/cuda/cuda.h"
#include "core/cuda/error_codes.h"

namespace tessera::cuda {
namespace {

// More than one step of a large model has.
constexpr size_t kMaxOpenChecks = 16384;

// Streams that no thread has at the moment.
class FreeStreams {
 public:
  DeviceStream* take(int index) {
    {
      std::lock_guard lock(mutex_);
      std::vector<DeviceStream*>& streams = free_[index];
      if (!streams.empty()) {
        DeviceStream* stream = streams.back();
        streams.pop_back();
        return stream;
      }
    }
    DeviceGuard device(index);
    cudaStream_t handle = nullptr;
    check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "cudaStreamCreate");
    return new DeviceStream{index, handle, {}};
  }

  void give(DeviceStream* stream) {
    std::lock_guard lock(mutex_);
    free_[stream->index].push_back(stream);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::vector<DeviceStream*>> free_;
};

// Never destroyed: threads may end after static objects are gone.
FreeStreams& free_streams() {
  static auto* streams = new FreeStreams;
  return *streams;
}

thread_local std::map<int, std::shared_ptr<DeviceStream>> thread_streams;

}  // namespace

std::shared_ptr<DeviceStream> take_stream(int index) {
  return {free_streams().take(index), [](DeviceStream* stream) { free_streams().give(stream); }};
}

const std::shared_ptr<DeviceStream>& hold_stream(int index) {
  std::shared_ptr<DeviceStream>& stream = thread_streams[index];
  if (!stream) stream = take_stream(index);
  return stream;
}

DeviceStream& current_device_stream(int index) { return *hold_stream(index); }

cudaStream_t current_stream_if_any(int index) noexcept {
  auto found = thread_streams.find(index);
  return found == thread_streams.end() || !found->second ? nullptr : found->second->handle;
}

std::shared_ptr<DeviceStream> exchange_stream(int index, std::shared_ptr<DeviceStream> stream) {
  std::swap(thread_streams[index], stream);
  return stream;
}

Report content_check(int index, ContentChecks::Text text) {
  DeviceStream& stream = current_device_stream(index);
  if (stream.checks.open() >= kMaxOpenChecks) backend(index).synchronize();
  return stream.checks.add(std::move(text));
}

}  // namespace tessera::cuda
