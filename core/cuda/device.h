// Asking for a device that may not be there.
#pragma once

namespace tessera::cuda {

// Throws Error with the reason where the machine has no such device.
void check_device(int index);

}  // namespace tessera::cuda
