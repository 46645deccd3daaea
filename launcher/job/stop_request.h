// Which signals are one request to stop. Used in signal handlers.
#pragma once

#include <sys/types.h>

namespace tessera::job {

struct StopRequest {
  int signal;
  pid_t sender;  // 0: the kernel, for a terminal or a limit
  long at_ms;
};

inline constexpr long kOneRequestMs = 1000;

// Whether `next` is `first` once more: it comes by another way, from a scheduler and from the
// launcher that got it as well; or the sender repeats it, as Slurm does at a time limit, 20 ms
// later. Who presses a key twice means it.
inline bool is_same_request(const StopRequest& first, const StopRequest& next) {
  bool repeated = next.sender != 0 && next.signal == first.signal;
  return next.at_ms - first.at_ms < kOneRequestMs && (next.sender != first.sender || repeated);
}

}  // namespace tessera::job
