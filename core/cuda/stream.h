// The stream that a thread's work goes to.
#pragma once

#include <cuda_runtime.h>

namespace tessera::cuda {

// The calling thread's own stream on a device, taken on its first use. When a thread ends, its
// streams pass to later threads, so blocks of the pool that belong to a stream are used again.
cudaStream_t current_stream(int index);

// The same, or null where the thread has not used the device yet.
cudaStream_t current_stream_if_any(int index) noexcept;

}  // namespace tessera::cuda
