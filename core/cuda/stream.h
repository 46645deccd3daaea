// The stream that a thread's work goes to.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <mutex>
#include <vector>

#include "core/cuda/content_errors.h"

namespace tessera::cuda {

// The checks that a stream had been given by some moment.
struct ChecksUntil {
  std::shared_ptr<ContentChecks> checks;
  cudaStream_t stream;  // whose they are; streams are never destroyed
  uint64_t count;
};

// A stream of one device.
struct DeviceStream {
  int index;
  cudaStream_t handle;
  std::shared_ptr<ContentChecks> checks;

  // Its own checks so far, and those of streams that it waits for: what is wrong with what it
  // gives.
  std::vector<ChecksUntil> all_checks();
  // From here on it waits for these too.
  void add_checks(const std::vector<ChecksUntil>& of_others);
  // The host knows how these ended.
  void drop_checks(const std::vector<ChecksUntil>& known);

 private:
  std::mutex mutex_;
  std::vector<ChecksUntil> of_others_;  // one of each stream
};

// The stream that the calling thread's work on a device goes to: its own, taken on its first use,
// or another that it uses instead. When a thread ends, its streams pass to later threads, so blocks
// of the pool that belong to a stream are used again; what nobody asked for of its content errors
// is forgotten then.
DeviceStream& current_device_stream(int index);
inline cudaStream_t current_stream(int index) { return current_device_stream(index).handle; }

// The same, or null where the thread has not used the device yet, or has ended.
cudaStream_t current_stream_if_any(int index) noexcept;

// One that nobody else has, until the last one lets go of it.
std::shared_ptr<DeviceStream> take_stream(int index);
// The calling thread's current one, as something to hold.
const std::shared_ptr<DeviceStream>& hold_stream(int index);
// Makes it the calling thread's current one. Returns the one before.
std::shared_ptr<DeviceStream> exchange_stream(int index, std::shared_ptr<DeviceStream> stream);

// A check of a kernel that is about to be launched on the current stream. At times the host waits,
// so that the checks of a program that never waits do not pile up.
Report content_check(int index, ContentChecks::Text text);

}  // namespace tessera::cuda
