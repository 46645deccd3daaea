// CUDA devices as the rest of core sees them. This header needs no CUDA toolkit: builds without one
// take no_cuda.cpp, where there is no device.
#pragma once

#include <string>

#include "core/backend.h"

namespace tessera::cuda {

// What the driver said when it was first asked. Asking starts the driver, which takes tens of
// milliseconds where there is one, so nothing asks before somebody wants a CUDA device.
struct Availability {
  int num_devices = 0;
  std::string reason;  // why there is none; empty where there are some
};
const Availability& availability();

// The device's name and memory, for people.
std::string describe(int index);

// Throws Error with the reason when there is no such device.
Backend& backend(int index);

}  // namespace tessera::cuda
