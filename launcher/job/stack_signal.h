// A signal on which a rank prints where it is.
#pragma once

namespace tessera::job {

// From now on SIGUSR2 makes the thread that gets it write its stack to standard error, a line a
// frame, and go on.
void print_stack_on_signal();

}  // namespace tessera::job
