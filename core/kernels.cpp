#include "core/kernels.h"

#include "core/backend.h"

namespace tessera {

void Kernels::missing(const char* family_name) const {
  throw_error(fmt::format("[{}] {} has no kernels of this family", family_name,
                          to_string(Device{device, 0})));
}

const Kernels& kernels(Device device) { return backend(device).kernels(); }

}  // namespace tessera
