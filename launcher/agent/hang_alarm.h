// From a rank that hangs to the failure that is told of it, with its stack in between.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "launcher/agent/hang_watch.h"

namespace tessera::agent {

// The first hang that is found stays the one. Its rank is asked for its stack at once, by SIGUSR2
// to its main thread, which is the one that trains, and has a moment to print it.
class HangAlarm {
 public:
  static constexpr int64_t kStackMs = 300;

  // As HangWatch's.
  HangAlarm(size_t places, int64_t least_ms) : watch_(places, least_ms) {}

  // To be called every now and then. The hang, once it can be told.
  const Hang* look(const job::ProgressBoard& board, const std::vector<pid_t>& processes,
                   int64_t now_ms);

 private:
  HangWatch watch_;
  std::optional<Hang> found_;
  int64_t found_ms_ = 0;
};

}  // namespace tessera::agent
