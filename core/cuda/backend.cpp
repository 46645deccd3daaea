// Devices, the table of kernels, and copies between devices.
#include "core/cuda/backend.h"

#include "core/cuda/check.h"
#include "core/cuda/cuda.h"
#include "core/cuda/stream.h"

namespace tessera::cuda {
namespace {

Availability ask_driver() {
  int count = 0;
  cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess) return {0, cudaGetErrorString(code)};
  if (count == 0) return {0, "no CUDA device was found"};
  return {count, ""};
}

}  // namespace

const Availability& availability() {
  static const Availability found = ask_driver();
  return found;
}

std::string describe(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return fmt::format("{}, compute capability {}.{}, {:.1f} GiB", properties.name, properties.major,
                     properties.minor, static_cast<double>(properties.totalGlobalMem) / (1 << 30));
}

const Kernels& kernel_table(Device device) {
  const Availability& available = availability();
  TESSERA_CHECK(available.num_devices > 0, "[cuda] there is no device {}: {}", device,
                available.reason);
  TESSERA_CHECK(device.index >= 0 && device.index < available.num_devices,
                "[cuda] there is no device {}: there are {}", device, available.num_devices);
  static const Kernels table = [] {
    Kernels k;
    k.device = DeviceType::cuda;
    k.copy_ = &copy_family();
    k.unary_ = &unary_family();
    k.binary_ = &binary_family();
    k.where_ = &where_family();
    k.reduce_ = &reduce_family();
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
