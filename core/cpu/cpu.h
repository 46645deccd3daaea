// The CPU as a device.
#pragma once

#include <string>

#include "core/backend.h"
#include "core/kernels.h"

namespace tessera::cpu {

Backend& backend();

// One per family, each in the file of its name.
#define TESSERA_FAMILY(NAME, INTERFACE) const INTERFACE& NAME##_family();
#include "core/kernels/families.inc"

// The instruction set that our own kernels picked on this machine, as Highway names it: "AVX3",
// "AVX2", "SSE4". Bits are comparable between machines of the same one.
std::string instruction_set();

// "oneDNN 2.6.3, Highway 1.0.3"
std::string library_versions();

}  // namespace tessera::cpu
