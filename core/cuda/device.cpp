#include "core/cuda/device.h"

#include "core/cuda/cuda.h"
#include "core/cuda/error_codes.h"

namespace tessera::cuda {
namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// CUDA has one error for a driver that is too old and for none at all.
std::string driver_text() {
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess || version == 0) {
    return "no CUDA driver (libcuda.so.1) is installed";
  }
  return fmt::format("the installed driver is for CUDA {}, and this build needs {} or newer",
                     version_text(version), version_text(CUDART_VERSION));
}

Availability ask_driver() {
  int count = 0;
  cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaErrorInsufficientDriver) return {0, driver_text()};
  if (code != cudaSuccess) return {0, cudaGetErrorString(code)};
  if (count == 0) return {0, "no CUDA device was found"};
  return {count, ""};
}

}  // namespace

const Availability& availability() {
  // Never destroyed: static arrays ask for their device when they go.
  static const auto& found = *new Availability(ask_driver());
  return found;
}

void check_device(int index) {
  const Availability& available = availability();
  TESSERA_CHECK(index >= 0 && index < available.num_devices,
                "[cuda] there is no device cuda:{}: {}", index,
                available.num_devices ? fmt::format("there are {}", available.num_devices)
                                      : available.reason);
}

std::string describe(int index) {
  check_device(index);
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return fmt::format("{}, compute capability {}.{}, {:.1f} GiB", properties.name, properties.major,
                     properties.minor, static_cast<double>(properties.totalGlobalMem) / (1 << 30));
}

}  // namespace tessera::cuda
