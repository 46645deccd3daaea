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

// CUDA's own event, of one device.
class CudaEvent {
 public:
  explicit CudaEvent(int index) {
    DeviceGuard device(index);
    check(cudaEventCreateWithFlags(&handle_, cudaEventDisableTiming), "cudaEventCreate");
  }
  ~CudaEvent() { (void)cudaEventDestroy(handle_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  void record(const DeviceStream& stream) {
    DeviceGuard device(stream.index);
    check(cudaEventRecord(handle_, stream.handle), "cudaEventRecord");
  }
  bool done() const {
    cudaError_t code = cudaEventQuery(handle_);
    if (code == cudaErrorNotReady) return false;
    check(code, "cudaEventQuery");
    return true;
  }
  void wait() const { check(cudaEventSynchronize(handle_), "cudaEventSynchronize"); }
  cudaEvent_t handle() const { return handle_; }

 private:
  cudaEvent_t handle_ = nullptr;
};

// What a stream had been given when this was made.
struct DeviceEvent {
  std::shared_ptr<DeviceStream> stream;
  std::vector<ChecksUntil> checks;
  std::shared_ptr<CudaEvent> event;
};

DeviceEvent& device_event(const Event& event) { return *static_cast<DeviceEvent*>(event.get()); }

// Memory of the host that copies are under way to or from.
class InUse {
 public:
  void hold(std::shared_ptr<void> memory, size_t bytes, std::shared_ptr<CudaEvent> until) {
    std::lock_guard lock(mutex_);
    held_.push_back({std::move(memory), bytes, std::move(until)});
    bytes_ += bytes;
    while (!held_.empty() && (bytes_ > kMaxBytes || held_.front().until->done())) {
      held_.front().until->wait();
      bytes_ -= held_.front().bytes;
      held_.pop_front();
    }
  }

 private:
  static constexpr size_t kMaxBytes = size_t{256} << 20;
  struct Held {
    std::shared_ptr<void> memory;
    size_t bytes;
    std::shared_ptr<CudaEvent> until;
  };

  std::mutex mutex_;
  size_t bytes_ = 0;
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
    auto read = std::make_shared<CudaEvent>(index_);
    const std::shared_ptr<DeviceStream>& stream = hold_stream(index_);
    check(cudaMemcpyAsync(to.get(), from, bytes, cudaMemcpyDeviceToHost, stream->handle),
          "a copy to the host");
    read->record(*stream);
    in_use_.hold(to, bytes, read);
    return {std::move(to), event_of(stream, std::move(read))};
  }

  Stream make_stream() override { return take_stream(index_); }
  Stream use_stream(Stream stream) override {
    auto own = std::static_pointer_cast<DeviceStream>(std::move(stream));
    TESSERA_CHECK(!own || own->index == index_, "[use_stream] expected a stream of cuda:{}, got {}",
                  index_, own->index);
    return exchange_stream(index_, std::move(own));
  }
  Event record() override {
    auto event = std::make_shared<CudaEvent>(index_);
    const std::shared_ptr<DeviceStream>& stream = hold_stream(index_);
    event->record(*stream);
    return event_of(stream, std::move(event));
  }
  void order_after(const Event& event) override {
    if (!event) return;
    DeviceGuard device(index_);
    DeviceStream& stream = current_device_stream(index_);
    check(cudaStreamWaitEvent(stream.handle, device_event(event).event->handle(), 0),
          "cudaStreamWaitEvent");
    stream.add_checks(device_event(event).checks);
  }
  bool is_done(const Event& event) override { return !event || device_event(event).event->done(); }

  void wait(const Event& event) override {
    if (!event) return;
    ++waits_;
    DeviceEvent& until = device_event(event);
    until.event->wait();
    for (const ChecksUntil& checks : until.checks) throw_what_is_wrong(checks);
    until.stream->drop_checks(until.checks);
  }

  int64_t host_waits() const override { return waits_; }

 private:
  static constexpr size_t kMaxStagedBytes = size_t{64} << 20;

  static Event event_of(const std::shared_ptr<DeviceStream>& stream,
                        std::shared_ptr<CudaEvent> event) {
    return std::make_shared<DeviceEvent>(
        DeviceEvent{stream, stream->all_checks(), std::move(event)});
  }

  static void throw_what_is_wrong(const ChecksUntil& until) {
    if (!until.checks->any(until.count)) return;
    // The first of all that may still be found is the one to be told.
    uint64_t count = until.checks->added();
    check(cudaStreamSynchronize(until.stream), "cudaStreamSynchronize");
    if (auto text = until.checks->take(count)) throw Error(*text);
  }

  // The source may change as soon as this returns: what is sent is a copy.
  void send(void* to, const void* from, size_t bytes) {
    std::shared_ptr<void> staged = pinned(bytes);
    std::memcpy(staged.get(), from, bytes);
    auto sent = std::make_shared<CudaEvent>(index_);
    DeviceStream& stream = current_device_stream(index_);
    check(cudaMemcpyAsync(to, staged.get(), bytes, cudaMemcpyHostToDevice, stream.handle),
          "a copy to the device");
    sent->record(stream);
    in_use_.hold(std::move(staged), bytes, std::move(sent));
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
