// Devices, the table of kernels, and copies between devices.
#include "core/cuda/backend.h"

#include "core/cuda/check.h"
#include "core/cuda/cuda.h"
#include "core/cuda/stream.h"

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
  static const Availability found = ask_driver();
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

const Kernels& kernel_table(Device device) {
  check_device(device.index);
  static const Kernels table = [] {
    Kernels k;
    k.device = DeviceType::cuda;
    k.copy_ = &copy_family();
    k.unary_ = &unary_family();
    k.binary_ = &binary_family();
    k.where_ = &where_family();
    k.reduce_ = &reduce_family();
    k.fold_ = &fold_family();
    k.matmul_ = &matmul_family();
    return k;
  }();
  return table;
}

void transfer(const Array& source, const Array& out) {
  TESSERA_ASSERT(source.is_contiguous() && out.is_contiguous() && source.dtype() == out.dtype() &&
                 source.shape() == out.shape());
  if (out.numel() == 0) return;
  Device from = source.device();
  Device to = out.device();
  int index = to.type == DeviceType::cuda ? to.index : from.index;
  // What made the source may still be running on another stream.
  if (from.type == DeviceType::cuda && from.index != index) synchronize(from.index);
  DeviceGuard device(index);
  check(cudaMemcpyAsync(out.raw(), source.raw(), out.nbytes(), cudaMemcpyDefault,
                        current_stream(index)),
        "a copy between devices");
  // The caller may free or change the source at once, and read an output on the CPU.
  synchronize(index);
}

void synchronize(int index) {
  DeviceGuard device(index);
  check(cudaStreamSynchronize(current_stream(index)), "cudaStreamSynchronize");
}

}  // namespace tessera::cuda
