// The clock that processes of one machine share.
#pragma once

#include <cstdint>
#include <ctime>

namespace tessera {

// Milliseconds of CLOCK_BOOTTIME, which goes on while the machine sleeps.
inline int64_t boot_ms() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
}

}  // namespace tessera
