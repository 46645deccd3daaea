// What a signal would do to another process.
#pragma once

#include <sys/types.h>

namespace tessera::agent {

enum class SignalFate {
  dies,   // it neither catches, ignores nor blocks the signal
  holds,  // it blocks it: to wait for it in its own way, or for a moment, as the C library does in
          // fork
  lives,  // it catches or ignores it, or it is gone
};

// What the signal would do to a process by /proc/PID/status, as proc(5) has it.
SignalFate fate_of(pid_t process, int signal);

}  // namespace tessera::agent
