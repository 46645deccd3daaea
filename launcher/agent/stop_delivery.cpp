#include "launcher/agent/stop_delivery.h"

namespace tessera::agent {

void StopDelivery::begin(Clock::time_point now) {
  started_ = now;
  held_since_.reset();
}

bool StopDelivery::is_due(const std::vector<pid_t>& processes, bool all_started,
                          Clock::time_point now) {
  if (!asked_) return false;
  bool heard = all_started && all_hear(processes, now);
  if (!heard && now - started_ < kHearing) return false;
  asked_ = false;
  return true;
}

bool StopDelivery::all_hear(const std::vector<pid_t>& processes, Clock::time_point now) {
  bool held = false;
  for (pid_t process : processes) {
    if (process <= 0) continue;
    SignalFate fate = fate_(process, signal_);
    if (fate == SignalFate::dies) {
      held_since_.reset();
      return false;
    }
    held = held || fate == SignalFate::holds;
  }
  if (!held) return true;
  if (!held_since_) held_since_ = now;
  return now - *held_since_ >= kHeld;
}

}  // namespace tessera::agent
