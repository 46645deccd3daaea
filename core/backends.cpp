// The kinds of devices.
#include "core/backend.h"
#include "core/cpu/cpu.h"
#include "core/cuda/cuda.h"
#include "core/meta/meta.h"

namespace tessera {

Backend& backend(Device device) {
  switch (device.type) {
    case DeviceType::cpu: return cpu::backend();
    case DeviceType::cuda: return cuda::backend(device.index);
    case DeviceType::meta: break;
  }
  return meta::backend();
}

}  // namespace tessera
