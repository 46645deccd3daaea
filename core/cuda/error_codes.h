// Turning CUDA's error codes into Error.
#pragma once

#include <cuda_runtime.h>

#include <string_view>

#include "core/error.h"

namespace tessera::cuda {

// Throws Error naming what was attempted, with CUDA's own words.
inline void check(cudaError_t code, std::string_view what) {
  TESSERA_CHECK(code == cudaSuccess, "[cuda] {} failed: {}", what, cudaGetErrorString(code));
}

// Makes a device the calling thread's current one while it lives.
class DeviceGuard {
 public:
  explicit DeviceGuard(int index) : index_(index) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (before_ != index_) check(cudaSetDevice(index_), "cudaSetDevice");
  }
  ~DeviceGuard() {
    if (before_ != index_) (void)cudaSetDevice(before_);
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int index_;
  int before_ = 0;
};

}  // namespace tessera::cuda
