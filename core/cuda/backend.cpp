// A CUDA device behind core's interface: streams, events and copies.
#include "core/backend.h"

#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

#include "core/cuda/allocator.h"
#include "core/cuda/cuda.h"
#include "core/cuda/device.h"
#include "core/cuda/error_codes.h"
#include "core/cuda/families.h"
#include "core/cuda/pinned.h"
#include "core/cuda/stream.h"

namespace tessera::cuda {
namespace {

// What a stream had been given when this was made.
struct DeviceEvent {
  explicit DeviceEvent(std::shared_ptr<DeviceStream> on) : stream(std::move(on)) {
    DeviceGuard device(stream->index);
    checks = stream->checks.added();
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
    check(cudaEventRecord(event, stream->handle), "cudaEventRecord");
  }
  ~DeviceEvent() { (void)cudaEventDestroy(event); }
  DeviceEvent(const DeviceEvent&) = delete;
  DeviceEvent& operator=(const DeviceEvent&) = delete;

  bool done() const {
    cudaError_t code = cudaEventQuery(event);
    if (code == cudaErrorNotReady) return false;
    check(code, "cudaEventQuery");
    return true;
  }

  std::shared_ptr<DeviceStream> stream;
  uint64_t checks;
  cudaEvent_t event = nullptr;
};

DeviceEvent& device_event(const Event& event) { return *static_cast<DeviceEvent*>(event.get()); }

// Memory of the host that copies are under way to or from.
class InUse {
 public:
  void hold(std::shared_ptr<void> memory, std::shared_ptr<DeviceEvent> until) {
    std::lock_guard lock(mutex_);
    while (!held_.empty() && held_.front().until->done()) held_.pop_front();
    held_.push_back({std::move(memory), std::move(until)});
  }

 private:
  struct Held {
    std::shared_ptr<void> memory;
    std::shared_ptr<DeviceEvent> until;
  };

  std::mutex mutex_;
  std::deque<Held> held_;
};

const Kernels& kernel_table() {
  static const Kernels table = [] {
    Kernels k(DeviceType::cuda);
#define TESSERA_FAMILY(NAME, INTERFACE) k.NAME##_ = &NAME##_family();
#include "core/cuda/families.inc"
    return k;
  }();
  return table;
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int index) : Backend(false, true), index_(index) {}

  const Kernels& kernels() const override { return kernel_table(); }
  void* allocate(size_t bytes) override { return cuda::allocate(bytes, index_); }
  void deallocate(void* block, size_t) noexcept override { cuda::deallocate(block, index_); }
  MemoryStats memory_stats() const override { return cuda::memory_stats(index_); }
  void reset_peak() override { cuda::reset_peak(index_); }

  void copy(void* to, Device to_device, const void* from, Device from_device,
            size_t bytes) override {
    if (bytes == 0) return;
    if (from_device.type == to_device.type) {
      return copy_from_peer(to, from, from_device.index, bytes);
    }
    DeviceGuard device(index_);
    bool upload = to_device.type == DeviceType::cuda;
    if (upload && bytes <= kMaxStagedBytes) return send(to, from, bytes);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, current_stream(index_)),
          upload ? "a copy to the device" : "a copy to the host");
    synchronize();
  }

  LateRead read_later(const void* from, size_t bytes) override {
    DeviceGuard device(index_);
    std::shared_ptr<void> to = pinned(bytes);
    check(cudaMemcpyAsync(to.get(), from, bytes, cudaMemcpyDeviceToHost, current_stream(index_)),
          "a copy to the host");
    auto read = std::make_shared<DeviceEvent>(hold_stream(index_));
    in_use_.hold(to, read);
    return {std::move(to), std::move(read)};
  }

  Stream make_stream() override { return take_stream(index_); }
  Stream use_stream(Stream stream) override {
    return exchange_stream(index_, std::static_pointer_cast<DeviceStream>(std::move(stream)));
  }
  Event record() override { return std::make_shared<DeviceEvent>(hold_stream(index_)); }
  void order_after(const Event& event) override {
    if (!event) return;
    DeviceGuard device(index_);
    check(cudaStreamWaitEvent(current_stream(index_), device_event(event).event, 0),
          "cudaStreamWaitEvent");
  }
  bool is_done(const Event& event) override { return !event || device_event(event).done(); }

  void wait(const Event& event) override {
    if (!event) return;
    ++waits_;
    DeviceEvent& until = device_event(event);
    check(cudaEventSynchronize(until.event), "cudaEventSynchronize");
    ContentChecks& checks = until.stream->checks;
    if (!checks.any(until.checks)) return;
    check(cudaStreamSynchronize(until.stream->handle), "cudaStreamSynchronize");
    throw Error(checks.take());
  }

  int64_t host_waits() const override { return waits_; }

 private:
  static constexpr size_t kMaxStagedBytes = size_t{64} << 20;

  // The source may change as soon as this returns: what is sent is a copy.
  void send(void* to, const void* from, size_t bytes) {
    std::shared_ptr<void> staged = pinned(bytes);
    std::memcpy(staged.get(), from, bytes);
    check(cudaMemcpyAsync(to, staged.get(), bytes, cudaMemcpyHostToDevice, current_stream(index_)),
          "a copy to the device");
    in_use_.hold(std::move(staged), std::make_shared<DeviceEvent>(hold_stream(index_)));
  }

  // The source may be freed at once: what its stream is given from here on waits for the copy.
  void copy_from_peer(void* to, const void* from, int from_index, size_t bytes) {
    Backend& peer = cuda::backend(from_index);
    order_after(peer.record());
    {
      DeviceGuard device(index_);
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, current_stream(index_)),
            "a copy between devices");
    }
    peer.order_after(record());
  }

  int index_;
  std::atomic<int64_t> waits_{0};
  InUse in_use_;
};

}  // namespace

Backend& backend(int index) {
  check_device(index);
  // Never destroyed: arrays in static storage may give blocks back after main ends.
  static auto* backends = [] {
    auto* all = new std::vector<std::unique_ptr<CudaBackend>>;
    for (int i = 0; i < availability().num_devices; ++i) {
      all->push_back(std::make_unique<CudaBackend>(i));
    }
    return all;
  }();
  return *(*backends)[static_cast<size_t>(index)];
}

}  // namespace tessera::cuda
