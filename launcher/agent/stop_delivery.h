// When ranks that are to stop after a checkpoint can be told.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "launcher/agent/signal_fate.h"

namespace tessera::agent {

// A rank that has only just begun would die of the signal instead of saving a checkpoint, and the
// others would wait for it. So it is sent when every rank watches for it, or when those that do not
// had the time to.
class StopDelivery {
 public:
  using Clock = std::chrono::steady_clock;
  using Fate = std::function<SignalFate(pid_t, int)>;

  // Ranks that do not watch for a signal so long after their start will not.
  static constexpr std::chrono::milliseconds kHearing{5000};
  // Who blocks a signal for so long means to.
  static constexpr std::chrono::milliseconds kHeld{500};

  // fate: what a signal would do to a process.
  explicit StopDelivery(int signal, Fate fate = fate_of)
      : signal_(signal), fate_(std::move(fate)) {}

  // For ranks that are about to start.
  void begin(Clock::time_point now);
  // The ranks are to be told; they are not any more.
  void ask() { asked_ = true; }
  void forget() { asked_ = false; }
  // Whether to send the signal now; once for each time that it was asked for. processes: of the
  // ranks, 0 for those that have ended.
  bool is_due(const std::vector<pid_t>& processes, bool all_started, Clock::time_point now);

 private:
  bool all_hear(const std::vector<pid_t>& processes, Clock::time_point now);

  int signal_;
  Fate fate_;
  bool asked_ = false;
  Clock::time_point started_{};
  std::optional<Clock::time_point> held_since_;  // none would die of it, but some hold it
};

}  // namespace tessera::agent
