#include "core/cuda/stream.h"

#include <algorithm>
#include <map>

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
    if (DeviceStream* stream = take_kept(index)) {
      if (stream->checks->open() > 0) {
        (void)cudaStreamSynchronize(stream->handle);
        stream->checks->take(stream->checks->added());
      }
      return stream;
    }
    auto stream = std::make_unique<DeviceStream>();
    stream->index = index;
    stream->checks = std::make_shared<ContentChecks>();
    DeviceGuard device(index);
    check(cudaStreamCreateWithFlags(&stream->handle, cudaStreamNonBlocking), "cudaStreamCreate");
    return stream.release();
  }

  void give(DeviceStream* stream) {
    std::lock_guard lock(mutex_);
    free_[stream->index].push_back(stream);
  }

 private:
  DeviceStream* take_kept(int index) {
    std::lock_guard lock(mutex_);
    std::vector<DeviceStream*>& streams = free_[index];
    if (streams.empty()) return nullptr;
    DeviceStream* stream = streams.back();
    streams.pop_back();
    return stream;
  }

  std::mutex mutex_;
  std::map<int, std::vector<DeviceStream*>> free_;
};

// Never destroyed: threads may end after static objects are gone.
FreeStreams& free_streams() {
  static auto* streams = new FreeStreams;
  return *streams;
}

// By device. Static arrays, and those of other thread_locals, may go after the thread's own streams
// have: the pointer, which nothing destroys, is null then.
using ThreadStreams = std::map<int, std::shared_ptr<DeviceStream>>;
constinit thread_local ThreadStreams* thread_streams = nullptr;

struct ThreadEnd {
  ~ThreadEnd() {
    delete thread_streams;
    thread_streams = nullptr;
  }
};

ThreadStreams& own_streams() {
  if (!thread_streams) {
    thread_streams = new ThreadStreams;
    static thread_local ThreadEnd end;
    (void)end;
  }
  return *thread_streams;
}

}  // namespace

std::vector<ChecksUntil> DeviceStream::all_checks() {
  std::lock_guard lock(mutex_);
  std::vector<ChecksUntil> all = of_others_;
  all.push_back({checks, handle, checks->added()});
  return all;
}

void DeviceStream::add_checks(const std::vector<ChecksUntil>& of_others) {
  std::lock_guard lock(mutex_);
  for (const ChecksUntil& other : of_others) {
    if (other.checks == checks || other.checks->open() == 0) continue;
    auto known = std::find_if(of_others_.begin(), of_others_.end(),
                              [&](const ChecksUntil& one) { return one.checks == other.checks; });
    if (known == of_others_.end()) of_others_.push_back(other);
    else known->count = std::max(known->count, other.count);
  }
}

void DeviceStream::drop_checks(const std::vector<ChecksUntil>& known) {
  std::lock_guard lock(mutex_);
  auto is_known = [&](const ChecksUntil& one) {
    return std::any_of(known.begin(), known.end(), [&](const ChecksUntil& other) {
      return other.checks == one.checks && other.count >= one.count;
    });
  };
  of_others_.erase(std::remove_if(of_others_.begin(), of_others_.end(), is_known),
                   of_others_.end());
}

std::shared_ptr<DeviceStream> take_stream(int index) {
  return {free_streams().take(index), [](DeviceStream* stream) { free_streams().give(stream); }};
}

const std::shared_ptr<DeviceStream>& hold_stream(int index) {
  std::shared_ptr<DeviceStream>& stream = own_streams()[index];
  if (!stream) stream = take_stream(index);
  return stream;
}

DeviceStream& current_device_stream(int index) { return *hold_stream(index); }

cudaStream_t current_stream_if_any(int index) noexcept {
  if (!thread_streams) return nullptr;
  auto found = thread_streams->find(index);
  return found == thread_streams->end() || !found->second ? nullptr : found->second->handle;
}

std::shared_ptr<DeviceStream> exchange_stream(int index, std::shared_ptr<DeviceStream> stream) {
  std::swap(own_streams()[index], stream);
  return stream;
}

Report content_check(int index, ContentChecks::Text text) {
  DeviceStream& stream = current_device_stream(index);
  if (stream.checks->open() >= kMaxOpenChecks) backend(index).synchronize();
  return stream.checks->add(std::move(text));
}

}  // namespace tessera::cuda
