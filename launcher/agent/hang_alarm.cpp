#include "launcher/agent/hang_alarm.h"

#include <unistd.h>

#include <csignal>

namespace tessera::agent {

const Hang* HangAlarm::look(const job::ProgressBoard& board, const std::vector<pid_t>& processes,
                            int64_t now_ms) {
  if (found_) return now_ms - found_ms_ > kStackMs ? &*found_ : nullptr;
  found_ = watch_.look(board, processes, now_ms);
  if (!found_) return nullptr;
  found_ms_ = now_ms;
  pid_t process = processes[found_->place];
  if (process > 0) tgkill(process, process, SIGUSR2);
  return nullptr;
}

}  // namespace tessera::agent
