// Runs of elements from one dtype to another, by the widest vectors of this machine.
#pragma once

#include "core/dtype.h"

namespace tessera::cpu {

// out[i] = convert(source[i]) for contiguous elements that do not overlap.
using ConvertRun = void (*)(const void* source, void* out, size_t count);
ConvertRun convert_run(DType from, DType to);

// Copies past the caches; stream_fence() before others read it.
void stream_copy(const void* source, void* out, size_t bytes);
void stream_fence();

}  // namespace tessera::cpu
