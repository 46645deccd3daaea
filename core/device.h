// Where an array's data lives.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"

namespace tessera {

enum class DeviceType : uint8_t { cpu, cuda, meta };

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

// "cpu", "cuda:1", "meta".
std::string to_string(Device device);

}  // namespace tessera

template <>
struct fmt::formatter<tessera::Device> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(tessera::Device device, Context& context) const {
    return fmt::formatter<std::string_view>::format(tessera::to_string(device), context);
  }
};
