#include "core/kernels.h"

#include "core/cpu/cpu.h"
#include "core/cuda/cuda.h"
#include "core/meta/meta.h"

namespace tessera {

void Kernels::missing(const char* family_name) const {
  throw_error(fmt::format("[{}] {} has no kernels of this family", family_name,
                          to_string(Device{device, 0})));
}

const Kernels& kernels(Device device) {
  if (device.type == DeviceType::cuda) return cuda::kernel_table(device);
  if (device.type == DeviceType::meta) return meta::kernel_table();
  return cpu::kernel_table();
}

}  // namespace tessera
