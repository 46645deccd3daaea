#include "core/kernels.h"

#include "core/cpu/cpu.h"
#include "core/cuda/cuda.h"

namespace tessera {

void Kernels::missing(const char* family_name) const {
  throw_error(fmt::format("[{}] {} has no kernels of this family", family_name,
                          to_string(Device{device, 0})));
}

const Kernels& kernels(Device device) {
  if (device.type == DeviceType::cuda) return cuda::kernel_table(device);
  TESSERA_CHECK(device.type == DeviceType::cpu, "this build has no kernels for {}", device);
  return cpu::kernel_table();
}

}  // namespace tessera
