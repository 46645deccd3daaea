// The kernel families that CUDA has, one function each, in the file of its name.
#pragma once

#include "core/kernels.h"

namespace tessera::cuda {

#define TESSERA_FAMILY(NAME, INTERFACE) const INTERFACE& NAME##_family();
#include "core/cuda/families.inc"

}  // namespace tessera::cuda
