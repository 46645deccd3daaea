// The device without memory: arrays have a shape and a dtype, kernels do nothing but count. For
// plans, and for parameters whose values are made later.
#pragma once

#include "core/backend.h"
#include "core/meta/counters.h"

namespace tessera::meta {

// Its arrays count as what they would take from the CPU's allocator; its kernels check nothing.
Backend& backend();

// Marks (Storage::mark_changed) an array whose values are made later (nn/module.h): filling it, or
// copying or drawing into it, is an error, for the values would be lost.
inline constexpr const char* kDeferred = "nn::DeferInit";

}  // namespace tessera::meta
