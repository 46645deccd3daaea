// What a signal would do to another process.
#pragma once

#include <sys/types.h>

namespace tessera::agent {

// Whether a process neither catches, ignores nor blocks the signal; no for one that is gone. As
// /proc/PID/status of proc(5) says.
bool would_die_of(int signal, pid_t process);

}  // namespace tessera::agent
