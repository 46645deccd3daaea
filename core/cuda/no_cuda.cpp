// Stands for the CUDA backend in builds without a CUDA toolkit, and in those with a sanitizer.
#include "core/cuda/cuda.h"

namespace tessera::cuda {
namespace {

[[noreturn]] void missing(Device device) {
  throw_error(fmt::format("[cuda] there is no device {}: {}", device, availability().reason));
}

}  // namespace

const Availability& availability() {
  static const Availability none{
      0,
      "this build has no CUDA backend: it was configured without a CUDA toolkit, or with a "
      "sanitizer"};
  return none;
}

std::string describe(int index) { missing({DeviceType::cuda, index}); }
const Kernels& kernel_table(Device device) { missing(device); }
void* allocate(size_t, int index) { missing({DeviceType::cuda, index}); }
// Nothing was allocated, so there is nothing to give back.
void deallocate(void*, int) noexcept {}
PoolStats pool_stats(int index) { missing({DeviceType::cuda, index}); }
void transfer(const Array& source, const Array& out) {
  missing(out.device().type == DeviceType::cuda ? out.device() : source.device());
}
void synchronize(int index) { missing({DeviceType::cuda, index}); }

}  // namespace tessera::cuda
