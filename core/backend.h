// A device, as all that is above core/cpu, core/cuda and core/meta sees it.
#pragma once

#include <cstddef>
#include <memory>

#include "core/allocator.h"
#include "core/device.h"

namespace tessera {

class Kernels;

// What a stream was given up to some moment; null: done already.
using Event = std::shared_ptr<void>;
// A queue of work, done in the order in which it comes; null: the device does everything at once.
using Stream = std::shared_ptr<void>;

// Bytes on their way to the host: there once the event is done. They may be let go of before.
struct LateRead {
  std::shared_ptr<const void> bytes;
  Event event;
};

// One for each device. All functions may be called from any thread; "the stream" is the one that
// the calling thread's work on the device goes to, its own unless use_stream() says otherwise.
class Backend {
 public:
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // Whether the host reads and writes the device's memory itself.
  bool host_reads() const { return host_reads_; }
  // Whether its arrays have any, but for those whose memory somebody else lent.
  bool has_elements() const { return has_elements_; }

  virtual const Kernels& kernels() const = 0;

  // A block of at least `bytes` bytes for work on the stream, its content unspecified; nullptr for
  // 0 bytes. Throws Error with the size where the device has no more.
  virtual void* allocate(size_t bytes) = 0;
  // Gives a block of allocate(bytes) back. Work on the stream may still be using it: later users
  // are ordered behind that.
  virtual void deallocate(void* block, size_t bytes) noexcept = 0;
  // Memory that the device's arrays take. On cuda the bytes of the whole device, whoever asks.
  virtual MemoryStats memory_stats() const = 0;
  virtual void reset_peak() = 0;

  // Copies bytes between this device and another, the CPU or one of its own type, in the order of
  // the stream. On return the source may be changed or freed; and where the host reads `to`, the
  // bytes are there, all work before them is done, and what was wrong with it has been thrown.
  virtual void copy(void* to, Device to_device, const void* from, Device from_device,
                    size_t bytes) = 0;
  // Copies bytes of this device to the host, which does not wait.
  virtual LateRead read_later(const void* from, size_t bytes) = 0;

  virtual Stream make_stream() = 0;
  // The calling thread's work goes to this stream from now on. Returns the one before.
  virtual Stream use_stream(Stream stream) = 0;
  // All that the stream has been given so far.
  virtual Event record() = 0;
  // What the stream is given from now on waits for the event; the host does not.
  virtual void order_after(const Event& event) = 0;
  virtual bool is_done(const Event& event) = 0;
  // The host waits, and throws what the stream's work failed with, or what was wrong with the
  // content of an array (core/kernels.h).
  virtual void wait(const Event& event) = 0;
  // The host waits for all that the stream has been given.
  void synchronize() { wait(record()); }

  // How often the host has waited for the device, in all threads: what slows a step down.
  virtual int64_t host_waits() const = 0;

 protected:
  Backend(bool host_reads, bool has_elements)
      : host_reads_(host_reads), has_elements_(has_elements) {}

 private:
  bool host_reads_;
  bool has_elements_;
};

// The device's; an Error with the reason where this build or machine does not have it. Never
// destroyed. core/backends.cpp, which alone knows all kinds of devices, has this.
Backend& backend(Device device);

// While one lives, the calling thread's work on a device goes to the stream. Memory returns to the
// stream that it was taken for: what the work there still reads or writes lives on until the stream
// of its owner was ordered behind it (record, order_after).
class OnStream {
 public:
  OnStream(Device device, Stream stream)
      : backend_(backend(device)), before_(backend_.use_stream(std::move(stream))) {}
  ~OnStream() { backend_.use_stream(std::move(before_)); }
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  Backend& backend_;
  Stream before_;
};

}  // namespace tessera
