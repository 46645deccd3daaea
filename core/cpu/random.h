// Random numbers for kernels that draw as they go.
#pragma once

#include "core/philox.h"

namespace tessera::cpu {

// Elements first to first + count of the sequence that RandomFamily::dropout_mask writes for T,
// float or double.
template <class T>
void dropout_run(const RandomStream& stream, int64_t first, double p, int64_t count, T* out);

}  // namespace tessera::cpu
