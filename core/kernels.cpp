#include "core/kernels.h"

#include "core/backend.h"

namespace tessera {

void Kernels::missing(const char* family_name) const {
  std::string device = to_string(Device{type_, 0});
  throw_error(fmt::format("[{}] {} has no kernels of this family", family_name,
                          device.substr(0, device.find(':'))));
}

const Kernels& kernels(Device device) { return backend(device).kernels(); }

}  // namespace tessera
