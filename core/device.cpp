#include "core/device.h"

namespace tessera {

std::string to_string(Device device) {
  switch (device.type) {
    case DeviceType::cpu: return "cpu";
    case DeviceType::cuda: return fmt::format("cuda:{}", device.index);
    case DeviceType::meta: break;
  }
  return "meta";
}

}  // namespace tessera
