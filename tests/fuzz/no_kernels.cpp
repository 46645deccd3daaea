// The readers need no arithmetic: linking the kernels would only cost build time.
#include "core/kernels.h"

namespace tessera {

void Kernels::missing(const char* family_name) const {
  throw_error(fmt::format("[{}] the fuzz targets have no kernels", family_name));
}

const Kernels& kernels(Device) { throw_error("[fuzz] the fuzz targets have no kernels"); }

}  // namespace tessera
